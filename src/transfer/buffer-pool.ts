/** One order to a worker per so many bytes: few enough messages, short enough steps. */
export const CHUNK_BYTES = 256 * 1024;
/** What all incoming streams together may have under way to the workers; then they are paused, and the senders slow down. */
const MAX_LENT = 48;
/** Kept for the next chunk; what was lent beyond that is left to the garbage collector. */
const MAX_FREE = 16;

/** Buffers that travel to a worker and back, so that a transfer at full speed makes no garbage. */
export class BufferPool {
  readonly #free: ArrayBuffer[] = [];
  readonly #waiting = new Set<() => void>();
  #lent = 0;

  /** True when a stream should not take on more bytes; `whenRoom` tells when it may again. */
  get exhausted(): boolean {
    return this.#lent >= MAX_LENT;
  }

  get lent(): number {
    return this.#lent;
  }

  take(): ArrayBuffer {
    this.#lent += 1;
    return this.#free.pop() ?? new ArrayBuffer(CHUNK_BYTES);
  }

  giveBack(buffer: ArrayBuffer): void {
    this.#lent -= 1;
    if (this.#free.length < MAX_FREE && buffer.byteLength === CHUNK_BYTES) this.#free.push(buffer);
    if (this.exhausted) return;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const listener of waiting) listener();
  }

  /** A worker ended with buffers in its hands. */
  lost(count: number): void {
    for (let n = 0; n < count; n += 1) this.giveBack(new ArrayBuffer(0));
  }

  /** Calls `listener` once, when there is room; returns the function that forgets it. */
  whenRoom(listener: () => void): () => void {
    this.#waiting.add(listener);
    return () => this.#waiting.delete(listener);
  }
}
