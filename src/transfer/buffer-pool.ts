/** One order to a worker per so many bytes: few enough messages, short enough steps. */
export const CHUNK_BYTES = 256 * 1024;
/** What all incoming streams together may have under way to the workers; then they are paused, and the senders slow down. */
const MAX_UNDER_WAY = 48;
/** Kept for the next chunk; what there is beyond that is left to the garbage collector. */
const MAX_FREE = 16;

/** Buffers that travel to a worker and back, so that a transfer at full speed makes no garbage. */
export class BufferPool {
  readonly #free: ArrayBuffer[] = [];
  readonly #waiting = new Set<() => void>();
  #underWay = 0;

  /** Buffers that were handed over to a worker and are not back. */
  get underWay(): number {
    return this.#underWay;
  }

  /** True when a stream should not take on more bytes; `whenRoom` tells when it may again. */
  get exhausted(): boolean {
    return this.#underWay >= MAX_UNDER_WAY;
  }

  take(): ArrayBuffer {
    return this.#free.pop() ?? new ArrayBuffer(CHUNK_BYTES);
  }

  /** For a buffer that was taken and not handed over. */
  release(buffer: ArrayBuffer): void {
    if (this.#free.length < MAX_FREE && buffer.byteLength === CHUNK_BYTES) this.#free.push(buffer);
  }

  handedOver(): void {
    this.#underWay += 1;
  }

  cameBack(buffer: ArrayBuffer): void {
    this.release(buffer);
    this.#landed(1);
  }

  /** A worker ended with buffers in its hands. */
  lost(count: number): void {
    this.#landed(count);
  }

  /** Calls `listener` once, when there is room; returns the function that forgets it. */
  whenRoom(listener: () => void): () => void {
    this.#waiting.add(listener);
    return () => this.#waiting.delete(listener);
  }

  #landed(count: number): void {
    this.#underWay -= count;
    if (this.exhausted) return;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const listener of waiting) listener();
  }
}
