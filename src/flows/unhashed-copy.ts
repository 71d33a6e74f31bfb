import type { FileOrigin } from '../transfer/file-origin.ts';
import type { CopiedBlob, OriginCopy } from '../transfer/origin-copy.ts';
import type { TransferMetrics } from '../transfer/transfer-metrics.ts';
import type { Clock } from '../util/clock.ts';
import { childController } from '../util/deadline.ts';
import { codeOf } from '../util/errors.ts';
import type { Log } from '../util/log.ts';
import type { OfferedFile } from './offers.ts';

export interface UnhashedCopyParts {
  readonly copies: OriginCopy;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: TransferMetrics;
}

/** The same as for pieces: a mount that gives nothing for so long is said to stand still. */
const STALL_MS = 3_000;
const LOOK_MS = 500;
const RETRY_MS = 2_000;

/** A file that nobody has hashed: copied from its mount and hashed on the way, over as many attempts as that takes. */
export class UnhashedCopy {
  readonly file: OfferedFile;
  readonly #origin: FileOrigin;
  readonly #onBytes: (bytes: number) => void;
  readonly #parts: UnhashedCopyParts;
  #bytes = 0;
  #lastMs: number;
  #state: 'copying' | 'stalled' | 'done' = 'copying';

  constructor(
    options: { readonly file: OfferedFile; readonly origin: FileOrigin; readonly onBytes: (bytes: number) => void },
    parts: UnhashedCopyParts,
  ) {
    this.file = options.file;
    this.#origin = options.origin;
    this.#onBytes = options.onBytes;
    this.#parts = parts;
    this.#lastMs = parts.clock.monotonic();
  }

  get url(): string {
    return this.#origin.url;
  }

  get bytes(): number {
    return this.#state === 'done' ? this.file.sizeBytes : this.#bytes;
  }

  get state(): 'copying' | 'stalled' | 'done' {
    return this.#state;
  }

  /** @throws ShoalError `source-gone`, `changed`, `disk-full`; a mount that hangs is waited for */
  async run(signal: AbortSignal): Promise<CopiedBlob> {
    const { controller, release } = childController(signal);
    const watching = this.#watch(controller.signal);
    try {
      const copied = await this.#copy(signal);
      this.#change('done');
      return copied;
    } finally {
      if (this.#state === 'stalled') this.#change('copying');
      controller.abort();
      release();
      await watching;
    }
  }

  async #copy(signal: AbortSignal): Promise<CopiedBlob> {
    const { copies, clock } = this.#parts;
    for (;;) {
      try {
        return await copies.run(this.#origin, this.file, (bytes) => this.#received(bytes), signal);
      } catch (error) {
        if (signal.aborted || codeOf(error) !== 'source-stalled') throw error;
      }
      await clock.sleep(RETRY_MS, signal);
    }
  }

  #received(bytes: number): void {
    this.#lastMs = this.#parts.clock.monotonic();
    this.#bytes += bytes;
    this.#onBytes(bytes);
    if (this.#state !== 'stalled') return;
    this.#parts.log.info({ path: this.file.path }, 'download goes on');
    this.#change('copying');
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#parts;
    while (!signal.aborted) {
      if (this.#state === 'copying' && clock.monotonic() - this.#lastMs >= STALL_MS) {
        const fields = { path: this.file.path, origin: this.url, missingBytes: this.file.sizeBytes - this.#bytes };
        log.warn(fields, 'download stalled, it goes on when the mount answers');
        this.#change('stalled');
      }
      await clock.sleep(LOOK_MS, signal).catch(() => undefined);
    }
  }

  #change(state: 'copying' | 'stalled' | 'done'): void {
    const stalled = Number(state === 'stalled') - Number(this.#state === 'stalled');
    this.#parts.metrics.stalledDownloads.inc(stalled);
    this.#state = state;
  }
}
