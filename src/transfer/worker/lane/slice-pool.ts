import { alignedBytes } from '../../../util/aligned-bytes.ts';
import { ANSWER_BYTES, encodeAnswer } from '../../piece-wire.ts';

/** What one write takes: many TLS records, few calls. */
export const SLICE_BYTES = 256 * 1024;
/** Where the bytes of a slice begin in its buffer; its record lies before them. */
const DATA_AT = 64;
const RECORD_AT = DATA_AT - ANSWER_BYTES;
/** Kept for the next: as many as a few lanes use that send all the time. */
const MAX_SPARE = 8;

/** Memory for one write. Views of aligned memory take long to make, so those of a full slice are made once. */
export class Slice {
  readonly #bytes = alignedBytes(DATA_AT + SLICE_BYTES);
  readonly #data = this.#bytes.subarray(DATA_AT);
  readonly #answer = Buffer.from(this.#bytes.buffer, RECORD_AT, ANSWER_BYTES + SLICE_BYTES);

  /** Where the bytes of the piece go. */
  data(length: number): Uint8Array {
    return length === SLICE_BYTES ? this.#data : this.#data.subarray(0, length);
  }

  /** The record and the bytes after it, as they are sent. */
  answer(id: number, length: number): Uint8Array {
    this.#answer.set(encodeAnswer({ kind: 'data', id, bytes: length }));
    return length === SLICE_BYTES ? this.#answer : this.#answer.subarray(0, ANSWER_BYTES + length);
  }
}

/** Lends slices to all lanes of a worker: most of them send nothing at a given moment. */
export class SlicePool {
  readonly #spare: Slice[] = [];

  take(): Slice {
    return this.#spare.pop() ?? new Slice();
  }

  giveBack(slice: Slice): void {
    if (this.#spare.length < MAX_SPARE) this.#spare.push(slice);
  }
}
