import type { Bitfield } from '../content/bitfield.ts';
import { geometryOf, pieceOffset } from '../content/piece-geometry.ts';
import { cancellable } from './cancellable.ts';
import type { Task, WorkerThread } from './worker-thread.ts';

/** Told in steps of so much: each wakes a thread, and the tail that is left at the end is hashed in milliseconds. */
const STEP_BYTES = 8 * 1024 * 1024;

/**
 * The sha256 of a file that is still arriving: what is verified without a gap from its start is hashed as it grows, on a
 * thread of its own, so that the end of a download has only the tail left to hash.
 */
export class PrefixHash implements Disposable {
  readonly #sizeBytes: number;
  readonly #have: Bitfield;
  readonly #task: Task<'hash-prefix'>;
  #pieces = 0;
  #toldBytes = 0;

  /** @param file.have the pieces that are verified already; followed by `add` */
  constructor(
    file: { readonly path: string; readonly sizeBytes: number; readonly have: Bitfield },
    parts: { readonly thread: WorkerThread },
  ) {
    const { path, sizeBytes, have } = file;
    this.#sizeBytes = sizeBytes;
    this.#have = have.clone();
    this.#task = parts.thread.start<'hash-prefix'>({ kind: 'hash-prefix', path, sizeBytes });
    this.#advance();
  }

  /** A piece is verified and written. */
  add(index: number): void {
    if (this.#have.add(index) && index === this.#pieces) this.#advance();
  }

  /** Resolves when all of it has been hashed. */
  async digest(signal: AbortSignal): Promise<string> {
    return (await cancellable(this.#task, signal)).sha256;
  }

  [Symbol.dispose](): void {
    this.#task.cancel();
  }

  #advance(): void {
    while (this.#pieces < this.#have.length && this.#have.has(this.#pieces)) this.#pieces += 1;
    const geometry = geometryOf(this.#sizeBytes);
    const isWhole = this.#pieces === geometry.pieceCount;
    const bytes = isWhole ? this.#sizeBytes : pieceOffset(geometry, this.#pieces);
    if (!isWhole && bytes - this.#toldBytes < STEP_BYTES) return;
    this.#toldBytes = bytes;
    this.#task.control({ kind: 'verified', bytes });
  }
}
