import type { Bitfield } from '../content/bitfield.ts';
import { geometryOf, pieceOffset } from '../content/piece-geometry.ts';
import { cancellable } from './cancellable.ts';
import type { Task, WorkerThread } from './worker-thread.ts';

/** Told in steps of so much: each wakes a thread, and the tail that is left at the end is hashed in milliseconds. */
const STEP_BYTES = 8 * 1024 * 1024;

/**
 * The sha256 of a file that is still arriving: what is verified without a gap from its start is hashed as it grows, on a
 * thread of its own, so that the end of a download has only the tail left to hash. The thread is not bothered before there
 * is something to hash: to start it costs as much as hashing 100 MiB, and a download that begins has better things to do.
 */
export class PrefixHash implements Disposable {
  readonly #have: Bitfield;
  readonly #file: { readonly path: string; readonly sizeBytes: number };
  readonly #thread: WorkerThread;
  #task: Task<'hash-prefix'> | undefined;
  #pieces = 0;
  #toldBytes = 0;

  /** @param file.have the pieces that are verified already; followed by `add` */
  constructor(
    file: { readonly path: string; readonly sizeBytes: number; readonly have: Bitfield },
    parts: { readonly thread: WorkerThread },
  ) {
    const { path, sizeBytes, have } = file;
    this.#have = have.clone();
    this.#file = { path, sizeBytes };
    this.#thread = parts.thread;
    this.#advance();
  }

  /** A piece is verified and written. */
  add(index: number): void {
    if (this.#have.add(index) && index === this.#pieces) this.#advance();
  }

  /** Resolves when all of it has been hashed. */
  async digest(signal: AbortSignal): Promise<string> {
    this.#task ??= this.#start();
    return (await cancellable(this.#task, signal)).sha256;
  }

  [Symbol.dispose](): void {
    this.#task?.cancel();
  }

  #start(): Task<'hash-prefix'> {
    return this.#thread.start<'hash-prefix'>({ kind: 'hash-prefix', ...this.#file });
  }

  #advance(): void {
    const { sizeBytes } = this.#file;
    while (this.#pieces < this.#have.length && this.#have.has(this.#pieces)) this.#pieces += 1;
    const geometry = geometryOf(sizeBytes);
    const isWhole = this.#pieces === geometry.pieceCount;
    const bytes = isWhole ? sizeBytes : pieceOffset(geometry, this.#pieces);
    if (!isWhole && bytes - this.#toldBytes < STEP_BYTES) return;
    // Pieces may still come in while the daemon ends.
    if (this.#thread.closed) return;
    this.#toldBytes = bytes;
    this.#task ??= this.#start();
    this.#task.control({ kind: 'verified', bytes });
  }
}
