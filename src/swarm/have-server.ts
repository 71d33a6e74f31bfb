import type { Stream } from '@libp2p/interface';
import type { Bitfield } from '../content/bitfield.ts';
import { isSha256, type Sha256 } from '../content/digest.ts';
import { ShoalError } from '../util/errors.ts';
import { FramedStream } from './framing.ts';
import { encodeReport, type HaveNews } from './have-news.ts';
import type { HaveRounds } from './have-rounds.ts';
import { announceWindowSeldom } from './receive-window.ts';
import { type HaveReport, HaveRequest } from './wire/exchange.js';

/** What this node holds of a blob; `have` is read at once and not kept. */
export type HaveProvider = (sha256: Sha256) => { readonly complete: boolean; readonly have: Bitfield } | undefined;

/** What all who watch a node share; `signal` ends the telling. */
export interface HaveWatching {
  readonly rounds: HaveRounds;
  readonly news: HaveNews;
  readonly signal: AbortSignal;
}

export const HAVE_REQUEST_MAX_BYTES = 64;
/** A peer fetches only so many blobs at a time; more than this is no fetching. */
export const MAX_WATCHED_BLOBS = 1024;
/** Above this a snapshot is as short as the steps. */
const MAX_DELTA_STEPS = 4096;
const WRITE_MS = 15_000;

/** One peer's watch over our have maps: a snapshot for each blob it asks for, then what is new, in batches. */
export class HaveWatcher {
  readonly #frames: FramedStream;
  readonly #provider: HaveProvider;
  readonly #watched = new Map<Sha256, Set<number> | 'snapshot'>();
  readonly #dirty = new Set<Sha256>();
  /** What was told to be complete. */
  readonly #complete = new Set<Sha256>();
  readonly #rounds: HaveRounds;
  readonly #news: HaveNews;
  readonly #signal: AbortSignal;
  #soon: NodeJS.Immediate | undefined;
  #sending: Promise<void> | undefined;

  constructor(stream: Stream, provider: HaveProvider, shared: HaveWatching) {
    this.#rounds = shared.rounds;
    this.#news = shared.news;
    this.#signal = shared.signal;
    announceWindowSeldom(stream);
    this.#frames = new FramedStream(stream, { maxBytes: HAVE_REQUEST_MAX_BYTES, drainMs: WRITE_MS });
    this.#provider = provider;
  }

  /** Resolves when the peer ends it. @throws ShoalError when it misbehaves or breaks */
  async run(signal: AbortSignal): Promise<void> {
    try {
      for (;;) {
        const message = await this.#frames.read(signal);
        if (message === undefined) return;
        const { sha256: bytes, watch } = HaveRequest.decode(message);
        const sha256 = Buffer.from(bytes).toString('hex');
        if (!isSha256(sha256)) throw new ShoalError('source-lied', 'a watch for what is no sha256');
        this.#complete.delete(sha256);
        if (!watch) this.#watched.delete(sha256);
        else {
          if (this.#watched.size >= MAX_WATCHED_BLOBS) throw new ShoalError('source-lied', 'too many blobs watched');
          this.#watched.set(sha256, 'snapshot');
          this.#tellSoon(sha256);
        }
      }
    } finally {
      clearImmediate(this.#soon);
      this.#rounds.leave(this.#tell);
      this.#watched.clear();
      this.#dirty.clear();
      await this.#frames.close(AbortSignal.timeout(1_000));
    }
  }

  /** One more piece. */
  add(sha256: Sha256, index: number): void {
    const pending = this.#watched.get(sha256);
    if (pending === undefined) return;
    if (pending !== 'snapshot') {
      pending.add(index);
      if (pending.size > MAX_DELTA_STEPS) this.#watched.set(sha256, 'snapshot');
    }
    this.#dirty.add(sha256);
    this.#rounds.join(this.#tell);
  }

  /** Anything else: complete now, gone, or begun anew. */
  reset(sha256: Sha256): void {
    if (!this.#watched.has(sha256)) return;
    this.#watched.set(sha256, 'snapshot');
    this.#tellSoon(sha256);
  }

  /** Whole blobs may have come or gone: tells of those that have. */
  recheck(): void {
    for (const sha256 of this.#watched.keys()) {
      const isComplete = this.#provider(sha256)?.complete === true;
      if (isComplete !== this.#complete.has(sha256)) this.reset(sha256);
    }
  }

  /** Not in this turn of the event loop: more blobs may be asked for in it. */
  #tellSoon(sha256: Sha256): void {
    this.#dirty.add(sha256);
    this.#soon ??= setImmediate(() => {
      this.#soon = undefined;
      this.#tell();
    });
  }

  readonly #tell = (): void => {
    // A slow peer gets larger batches, not a longer queue.
    this.#sending ??= this.#send().finally(() => {
      this.#sending = undefined;
      if (this.#dirty.size > 0) this.#rounds.join(this.#tell);
    });
  };

  async #send(): Promise<void> {
    const batch = [...this.#dirty];
    this.#dirty.clear();
    try {
      for (const sha256 of batch) {
        const message = this.#message(sha256);
        if (message !== undefined) await this.#frames.write(message, this.#signal);
      }
    } catch (error) {
      this.#dirty.clear();
      this.#frames.abort(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #message(sha256: Sha256): Uint8Array | undefined {
    const pending = this.#watched.get(sha256);
    if (pending === undefined) return undefined;
    if (pending === 'snapshot') return encodeReport(sha256, this.#whole(sha256));
    this.#watched.set(sha256, new Set());
    return pending.size === 0
      ? undefined
      : this.#news.encode(
          sha256,
          [...pending].sort((a, b) => a - b),
        );
  }

  #whole(sha256: Sha256): Omit<HaveReport, 'sha256'> {
    const held = this.#provider(sha256);
    if (held?.complete === true) this.#complete.add(sha256);
    else this.#complete.delete(sha256);
    // What begins later starts with a snapshot.
    if (held === undefined) return { gone: true };
    this.#watched.set(sha256, new Set());
    return held.complete ? { complete: true } : { snapshot: Uint8Array.from(held.have.toBytes()) };
  }
}
