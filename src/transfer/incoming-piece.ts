import { ShoalError } from '../util/errors.ts';
import { type BufferPool, CHUNK_BYTES } from './buffer-pool.ts';
import type { PieceResult } from './data-orders.ts';
import type { Task } from './worker-thread.ts';

/**
 * A piece on its way from a stream to a worker. Bytes are gathered into buffers from the pool and handed over full, so
 * the main thread holds at most one buffer per stream.
 */
export class IncomingPiece {
  /** Resolves when the piece is verified and written. */
  readonly ended: Promise<PieceResult>;
  readonly #task: Task<'receive'>;
  readonly #pool: BufferPool;
  #missing: number;
  #buffer: ArrayBuffer | undefined;
  #filled = 0;
  #cancelled = false;

  constructor(
    options: { readonly length: number; readonly ended: Promise<PieceResult> },
    parts: { readonly task: Task<'receive'>; readonly pool: BufferPool },
  ) {
    this.#missing = options.length;
    this.ended = options.ended;
    this.#task = parts.task;
    this.#pool = parts.pool;
  }

  get missingBytes(): number {
    return this.#missing;
  }

  /**
   * Copies: a chunk of a libp2p stream is a view into memory that others use too.
   * @throws ShoalError `source-lied` for more bytes than the piece has
   */
  write(bytes: Uint8Array): void {
    if (this.#cancelled) return;
    if (bytes.length > this.#missing) throw new ShoalError('source-lied', 'more bytes than the piece has');
    for (let at = 0; at < bytes.length; ) {
      this.#buffer ??= this.#pool.take();
      const part = bytes.subarray(at, at + CHUNK_BYTES - this.#filled);
      new Uint8Array(this.#buffer).set(part, this.#filled);
      this.#filled += part.length;
      this.#missing -= part.length;
      at += part.length;
      if (this.#filled === CHUNK_BYTES || this.#missing === 0) this.#handOver();
    }
  }

  /** The rest will not come. */
  cancel(): void {
    this.#cancelled = true;
    this.#task.cancel();
    if (this.#buffer === undefined) return;
    this.#pool.release(this.#buffer);
    this.#buffer = undefined;
    this.#filled = 0;
  }

  #handOver(): void {
    const buffer = this.#buffer;
    if (buffer === undefined) return;
    const chunk = { kind: 'chunk', buffer, length: this.#filled, last: this.#missing === 0 } as const;
    this.#buffer = undefined;
    this.#filled = 0;
    this.#task.control(chunk, [buffer]);
  }
}
