import type { Model, Transfer } from '../api/schemas.ts';
import { formatBytes, formatDuration } from '../util/bytes.ts';
import { ShoalError } from '../util/errors.ts';
import { knownCode } from './api-client.ts';
import { type ErrorDocument, errorDocument } from './output.ts';

/** What `get --wait --json` says of each model. */
export interface GetResult {
  readonly id: string;
  readonly state: string;
  readonly digest?: string;
  readonly bytes: number;
  readonly seconds: number;
  readonly refetchedBytes: number;
  readonly sources: readonly { readonly kind: 'peer' | 'origin'; readonly id: string; readonly bytes: number }[];
  readonly error?: ErrorDocument;
}

export type Verdict =
  | { readonly kind: 'waiting' }
  | { readonly kind: 'installed' }
  | { readonly kind: 'failed'; readonly error: ShoalError };

/** The daemon clears the trouble of an earlier attempt when it starts the new one; give it the time to. */
const OLD_TROUBLE_MS = 1_500;
/** A daemon that has just been started learns again what the others have. */
const UNKNOWN_MAX_MS = 60_000;

/** One model that `get --wait` waits for: what is known of it, and what that means. */
export class AwaitedModel {
  readonly #wasInstalled: boolean;
  readonly #wantedAtMs: number;
  #model: Model;
  #transfer: Transfer | undefined;
  #unknownSinceMs: number | undefined;
  #endedAtMs: number | undefined;

  /** @param model the answer to the want */
  constructor(model: Model, nowMs: number) {
    this.#model = model;
    this.#wasInstalled = model.state === 'installed';
    this.#wantedAtMs = nowMs;
  }

  get id(): string {
    return this.#model.id;
  }

  get transfer(): Transfer | undefined {
    return this.#transfer;
  }

  get bytesTotal(): number {
    return this.#transfer?.bytesTotal ?? this.#model.sizeBytes;
  }

  get bytesDone(): number {
    return this.#model.state === 'installed' ? this.bytesTotal : (this.#transfer?.bytesDone ?? 0);
  }

  modelSeen(model: Model): void {
    this.#model = model;
    this.#unknownSinceMs = undefined;
  }

  modelUnknown(nowMs: number): void {
    this.#unknownSinceMs ??= nowMs;
  }

  transferSeen(transfer: Transfer): void {
    this.#transfer = transfer;
  }

  judge(nowMs: number): Verdict {
    if (this.#model.state === 'installed' && this.#unknownSinceMs === undefined) {
      this.#endedAtMs ??= nowMs;
      return { kind: 'installed' };
    }
    if (nowMs - this.#wantedAtMs < OLD_TROUBLE_MS) return { kind: 'waiting' };
    if (this.#unknownSinceMs !== undefined) {
      if (nowMs - this.#unknownSinceMs < UNKNOWN_MAX_MS) return { kind: 'waiting' };
      return this.#failed(nowMs, new ShoalError('not-found', `nobody knows ${this.id} any more`));
    }
    if (!this.#model.wanted) {
      return this.#failed(nowMs, new ShoalError('conflict', `${this.id} is no longer wanted: somebody took that back`));
    }
    const problem = this.#transfer?.problem ?? this.#model.problem;
    // No space does not mend itself, although the daemon goes on as soon as there is some; other trouble it may outlive.
    if (problem !== undefined && (problem.code === 'disk-full' || this.#transfer?.state === 'failed')) {
      const { code, message, remedy, missingBytes } = problem;
      return this.#failed(
        nowMs,
        new ShoalError(knownCode(code), message, {
          ...(remedy === undefined ? {} : { remedy }),
          fields: { status: 200, ...(missingBytes === undefined ? {} : { missingBytes }) },
        }),
      );
    }
    return { kind: 'waiting' };
  }

  result(nowMs: number, error: ShoalError | undefined): GetResult {
    const transfer = this.#wasInstalled ? undefined : this.#transfer;
    const waitedMs = (this.#endedAtMs ?? nowMs) - this.#wantedAtMs;
    const digest = this.#model.digest ?? transfer?.digest;
    return {
      id: this.id,
      state: this.#model.state,
      ...(digest === undefined ? {} : { digest }),
      bytes: this.bytesTotal,
      seconds: this.#wasInstalled ? 0 : (transfer?.seconds ?? Math.round(waitedMs) / 1000),
      refetchedBytes: transfer?.refetchedBytes ?? 0,
      sources: (transfer?.sources ?? []).map(({ kind, id, bytes }) => ({ kind, id, bytes })),
      ...(error === undefined ? {} : { error: errorDocument(error) }),
    };
  }

  /** `loras/x.safetensors: installed, 1.2 GiB in 12 s (98 MiB/s), 80% from 3 peers`. */
  summary(nowMs: number): string {
    const { bytes, seconds, sources } = this.result(nowMs, undefined);
    if (this.#wasInstalled) return `${this.id}: installed already, ${formatBytes(bytes)}`;
    const rate = seconds > 0 ? ` (${formatBytes(bytes / seconds)}/s)` : '';
    const fetched = sources.reduce((sum, source) => sum + source.bytes, 0);
    const peers = sources.filter((source) => source.kind === 'peer' && source.bytes > 0);
    const share = Math.round((peers.reduce((sum, source) => sum + source.bytes, 0) / Math.max(1, fetched)) * 100);
    const from = fetched === 0 ? '' : `, ${share}% from ${peers.length} peer${peers.length === 1 ? '' : 's'}`;
    return `${this.id}: installed, ${formatBytes(bytes)} in ${formatDuration(seconds * 1000)}${rate}${from}`;
  }

  #failed(nowMs: number, error: ShoalError): Verdict {
    this.#endedAtMs ??= nowMs;
    return { kind: 'failed', error };
  }
}
