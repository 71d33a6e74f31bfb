import { Worker } from 'node:worker_threads';
import type { ModelMetadata } from '../content/metadata.ts';
import { ShoalError } from '../util/errors.ts';
import type { Log } from '../util/log.ts';
import type { Metrics } from '../util/metrics.ts';
import type { FileStamp } from './file-stamp.ts';

export interface HashOrder {
  readonly path: string;
}

export type HashReply =
  | { readonly kind: 'progress'; readonly bytes: number }
  | { readonly kind: 'changed' }
  | { readonly kind: 'failed'; readonly errno: string | undefined; readonly message: string }
  | ({ readonly kind: 'hashed' } & HashedFile);

export interface HashedFile {
  readonly stamp: FileStamp;
  readonly sha256: string;
  readonly manifestBytes: Uint8Array;
  readonly manifestCid: string;
  readonly metadata?: ModelMetadata;
  /** The header says that the file should be longer or shorter than it is. */
  readonly truncated: boolean;
}

interface Job {
  readonly path: string;
  readonly onProgress: (bytes: number) => void;
  readonly resolve: (hashed: HashedFile) => void;
  readonly reject: (error: Error) => void;
}

interface Hand {
  readonly worker: Worker;
  job: Job | undefined;
}

/** Hashes files in worker threads, sha256 and BLAKE3 in one read; workers are started when they are first needed. */
export class Hasher implements AsyncDisposable {
  readonly #size: number;
  readonly #log: Log;
  readonly #hashedBytes;
  readonly #hands: Hand[] = [];
  readonly #waiting: Job[] = [];
  #closed = false;

  constructor(options: { workers: number }, parts: { log: Log; metrics: Metrics }) {
    this.#size = options.workers;
    this.#log = parts.log;
    this.#hashedBytes = parts.metrics.counter('shoal_hashed_bytes_total', 'Bytes of local files read and hashed');
  }

  /**
   * Digests and manifest of the file at an absolute path.
   * @throws ShoalError `changed` when it is written meanwhile, `not-found` when it is gone or no regular file
   */
  async hashFile(path: string, signal: AbortSignal, onProgress?: (bytes: number) => void): Promise<HashedFile> {
    signal.throwIfAborted();
    const job = Promise.withResolvers<HashedFile>();
    const entry: Job = { path, onProgress: onProgress ?? (() => undefined), resolve: job.resolve, reject: job.reject };
    const onAbort = (): void => this.#abandon(entry, signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
    this.#waiting.push(entry);
    this.#assign();
    try {
      return await job.promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#hands.map(({ worker }) => worker.terminate()));
  }

  #assign(): void {
    while (this.#waiting.length > 0 && !this.#closed) {
      const hand = this.#hands.find(({ job }) => job === undefined) ?? this.#hire();
      if (hand === undefined) return;
      hand.job = this.#waiting.shift();
      if (hand.job !== undefined) hand.worker.postMessage({ path: hand.job.path } satisfies HashOrder);
    }
  }

  #hire(): Hand | undefined {
    if (this.#hands.length >= this.#size) return undefined;
    const worker = new Worker(new URL('./hash-worker.ts', import.meta.url));
    worker.unref();
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
    switch (reply.kind) {
      case 'hashed':
        job.resolve(reply);
        break;
      case 'changed':
        job.reject(new ShoalError('changed', `${job.path} was written while it was hashed`));
        break;
      case 'failed':
        job.reject(failure(job.path, reply.errno, reply.message));
        break;
    }
    this.#assign();
  }

  /** Threads cannot be stopped inside a read; the job's worker is, and the next job gets a new one. */
  #abandon(job: Job, reason: Error): void {
    const waiting = this.#waiting.indexOf(job);
    if (waiting !== -1) this.#waiting.splice(waiting, 1);
    const hand = this.#hands.find((one) => one.job === job);
    if (hand !== undefined) {
      this.#dismiss(hand);
      void hand.worker.terminate().catch(() => undefined); // nobody waits for a worker that hangs
    }
    job.reject(reason);
    this.#assign();
  }

  #lost(hand: Hand, error: unknown): void {
    this.#log.error({ err: error, path: hand.job?.path }, 'hashing worker failed, another takes its place');
    this.#dismiss(hand);
    hand.job?.reject(new ShoalError('internal', 'the hashing worker failed', { cause: error }));
    this.#assign();
  }

  #dismiss(hand: Hand): void {
    this.#hands.splice(this.#hands.indexOf(hand), 1);
  }
}

function failure(path: string, errno: string | undefined, message: string): ShoalError {
  const gone = errno === 'ENOENT' || errno === 'ELOOP' || errno === 'ENOTDIR';
  return gone
    ? new ShoalError('not-found', `${path} is not there any more`)
    : new ShoalError('internal', `${path} cannot be read: ${message}`, {
        remedy: 'Check its permissions, and the disk with dmesg and smartctl.',
      });
}
