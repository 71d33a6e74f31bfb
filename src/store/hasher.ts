import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { ModelMetadata } from '../content/metadata.ts';
import { type ErrorCode, ShoalError } from '../util/errors.ts';
import type { Log } from '../util/log.ts';
import type { Metrics } from '../util/metrics.ts';
import type { FileStamp } from './file-stamp.ts';

export interface HashOrder {
  readonly kind: 'hash' | 'describe';
  readonly path: string;
  /** The name that tells the format, where it is not the path's own. */
  readonly as?: string;
}

export type HashReply =
  | { readonly kind: 'progress'; readonly bytes: number }
  | { readonly kind: 'changed' }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly errno?: string | undefined; readonly message: string }
  | { readonly kind: 'described'; readonly metadata?: ModelMetadata }
  | ({ readonly kind: 'hashed' } & HashedFile);

export interface HashedFile {
  readonly stamp: FileStamp;
  readonly sha256: string;
  readonly manifestBytes: Uint8Array;
  readonly manifestCid: string;
  readonly metadata?: ModelMetadata;
}

type Result = Extract<HashReply, { kind: 'described' | 'hashed' }>;

interface Job {
  readonly order: HashOrder;
  readonly signal: AbortSignal;
  readonly onProgress: (bytes: number) => void;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: Error) => void;
}

interface Hand {
  readonly worker: Worker;
  job: Job | undefined;
}

const CLOSE_MS = 1_000;

/** Hashes files in worker threads, sha256 and BLAKE3 in one read; workers are started when they are first needed. */
export class Hasher implements AsyncDisposable {
  /** How many files are hashed at a time. */
  readonly workers: number;
  readonly #log: Log;
  readonly #hashedBytes;
  readonly #hands: Hand[] = [];
  readonly #waiting: Job[] = [];
  #closed = false;

  constructor(options: { workers: number }, parts: { log: Log; metrics: Metrics }) {
    this.workers = options.workers;
    this.#log = parts.log;
    this.#hashedBytes = parts.metrics.counter('shoal_hashed_bytes_total', 'Bytes of local files read and hashed');
  }

  /**
   * Digests and manifest of the file at an absolute, real path.
   * @throws ShoalError `changed` when it is written meanwhile, `not-found` when it is gone or no regular file,
   *   `verification-failed` when it has not the length that its header says
   */
  async hashFile(path: string, signal: AbortSignal, onProgress?: (bytes: number) => void): Promise<HashedFile> {
    const result = await this.#run({ kind: 'hash', path }, signal, onProgress);
    if (result.kind !== 'hashed') throw new ShoalError('internal', 'a hashing worker answered another question');
    return result;
  }

  /** What the header of a file says; does not wait behind files that are being hashed. Undefined when in doubt. */
  async describe(path: string, as: string, signal: AbortSignal): Promise<ModelMetadata | undefined> {
    try {
      const result = await this.#run({ kind: 'describe', path, as }, signal);
      return result.metadata;
    } catch (error) {
      if (signal.aborted) throw error;
      return undefined;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    for (const job of this.#waiting.splice(0)) job.reject(new DOMException('the hasher is closed', 'AbortError'));
    // A worker that hangs in a read of a dead mount cannot be waited for.
    await Promise.race([Promise.all(this.#hands.map(({ worker }) => worker.terminate())), delay(CLOSE_MS)]);
  }

  async #run(order: HashOrder, signal: AbortSignal, onProgress?: (bytes: number) => void): Promise<Result> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    const job: Job = { order, signal, onProgress: onProgress ?? (() => undefined), resolve, reject };
    const onAbort = (): void => this.#abandon(job);
    signal.addEventListener('abort', onAbort, { once: true });
    if (order.kind === 'describe') this.#waiting.unshift(job);
    else this.#waiting.push(job);
    this.#assign();
    try {
      return await promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  #assign(): void {
    while (!this.#closed) {
      const hashing = this.#hands.filter(({ job }) => job?.order.kind === 'hash').length;
      // When a signal fires, its jobs are abandoned one after the other: none of them is begun meanwhile.
      const next = this.#waiting.findIndex(
        ({ order, signal }) => !signal.aborted && (order.kind === 'describe' || hashing < this.workers),
      );
      const hand = next === -1 ? undefined : (this.#hands.find(({ job }) => job === undefined) ?? this.#hire());
      const [job] = hand === undefined ? [] : this.#waiting.splice(next, 1);
      if (hand === undefined || job === undefined) return;
      hand.job = job;
      hand.worker.ref();
      hand.worker.postMessage(job.order);
    }
  }

  /** One more than hash at a time, so that a header need not wait. */
  #hire(): Hand | undefined {
    if (this.#hands.length > this.workers) return undefined;
    const worker = new Worker(new URL('./hash-worker.ts', import.meta.url));
    const hand: Hand = { worker, job: undefined };
    worker.on('message', (reply: HashReply) => this.#take(hand, reply));
    worker.on('error', (error: unknown) => this.#lost(hand, error));
    this.#hands.push(hand);
    return hand;
  }

  #take(hand: Hand, reply: HashReply): void {
    const { job } = hand;
    if (job === undefined) return;
    if (reply.kind === 'progress') {
      this.#hashedBytes.inc(reply.bytes);
      job.onProgress(reply.bytes);
      return;
    }
    hand.job = undefined;
    // Only work keeps the process.
    hand.worker.unref();
    switch (reply.kind) {
      case 'hashed':
      case 'described':
        job.resolve(reply);
        break;
      case 'changed':
        job.reject(new ShoalError('changed', `${job.order.path} was written while it was hashed`));
        break;
      case 'failed':
        job.reject(failure(job.order.path, reply));
        break;
    }
    this.#assign();
  }

  /** A thread cannot be asked to stop inside a read: the job's worker is ended, and the next job gets a new one. */
  #abandon(job: Job): void {
    const waiting = this.#waiting.indexOf(job);
    if (waiting !== -1) this.#waiting.splice(waiting, 1);
    const hand = this.#hands.find((one) => one.job === job);
    if (hand !== undefined) {
      this.#dismiss(hand);
      hand.job = undefined;
      hand.worker.unref();
      hand.worker.terminate().catch(() => undefined);
    }
    job.reject(job.signal.reason as Error);
    this.#assign();
  }

  #lost(hand: Hand, error: unknown): void {
    const { job } = hand;
    this.#dismiss(hand);
    if (job === undefined) return;
    hand.job = undefined;
    this.#log.error({ err: error, path: job.order.path }, 'hashing worker failed, another takes its place');
    job.reject(new ShoalError('internal', 'the hashing worker failed', { cause: error }));
    this.#assign();
  }

  #dismiss(hand: Hand): void {
    const at = this.#hands.indexOf(hand);
    if (at !== -1) this.#hands.splice(at, 1);
  }
}

function failure(path: string, { code, errno, message }: Extract<HashReply, { kind: 'failed' }>): ShoalError {
  if (code === 'verification-failed') {
    return new ShoalError(code, `${path}: ${message}`, {
      remedy: 'It was probably not copied to its end: copy it again, or delete it.',
    });
  }
  const gone = code === 'not-found' || errno === 'ENOENT' || errno === 'ELOOP' || errno === 'ENOTDIR';
  return gone
    ? new ShoalError('not-found', `${path} is not there any more`)
    : new ShoalError('internal', `${path} cannot be read: ${message}`, {
        remedy: 'Check its permissions, and the disk with dmesg and smartctl.',
      });
}
