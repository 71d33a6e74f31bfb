import type { PieceSink } from './piece-sink.ts';

/** Bytes are hashed and written in steps of this size: fewer are more system calls, more leave the processor's cache. */
export const GATHER_BYTES = 256 * 1024;

/** Memory to gather in; its buffer changes when one is being written while the next is filled. */
export interface GatherSpace {
  buffer: Uint8Array;
}

/** Gathers what a line brings in small parts into steps that are worth a hash and a system call. */
export class Gathering {
  readonly #sink: PieceSink;
  readonly #space: GatherSpace;
  #missing: number;
  #filled = 0;

  /** @param options.space used from the first byte of the piece to its last, and by nobody else meanwhile */
  constructor(sink: PieceSink, options: { readonly length: number; readonly space: GatherSpace }) {
    this.#sink = sink;
    this.#space = options.space;
    this.#missing = options.length;
  }

  /** Where up to so many of the next bytes may be put before they are taken, which saves copying them. */
  place(length: number): Uint8Array {
    return this.#space.buffer.subarray(this.#filled, this.#filled + length);
  }

  /** True when the piece is complete. */
  take(bytes: Uint8Array): boolean {
    if (this.#isInPlace(bytes)) this.#gathered(bytes.length);
    else {
      for (let at = 0; at < bytes.length; ) {
        const part = bytes.subarray(at, at + this.#space.buffer.length - this.#filled);
        this.#space.buffer.set(part, this.#filled);
        this.#gathered(part.length);
        at += part.length;
      }
    }
    return this.#missing === 0;
  }

  #isInPlace(bytes: Uint8Array): boolean {
    const { buffer, byteOffset } = this.#space.buffer;
    return bytes.buffer === buffer && bytes.byteOffset === byteOffset + this.#filled;
  }

  #gathered(length: number): void {
    const { buffer } = this.#space;
    this.#filled += length;
    this.#missing -= length;
    if (this.#filled < buffer.length && this.#missing > 0) return;
    this.#space.buffer = this.#sink.writeStep(buffer, this.#filled);
    this.#filled = 0;
  }
}
