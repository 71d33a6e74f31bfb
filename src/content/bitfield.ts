import { ShoalError } from '../util/errors.ts';

/**
 * Which pieces of a blob are there. On the wire: one bit per piece, most significant first, padding bits zero (as
 * BitTorrent's BEP 3 has it).
 */
export class Bitfield {
  readonly length: number;
  readonly #bytes: Uint8Array;
  #count = 0;

  /** @throws RangeError when `length` is no count */
  constructor(length: number) {
    if (!Number.isSafeInteger(length) || length < 0) throw new RangeError(`a bitfield of ${length} pieces`);
    this.length = length;
    this.#bytes = new Uint8Array(Math.ceil(length / 8));
  }

  /** @throws ShoalError `invalid` when the length does not fit or a padding bit is set */
  static fromBytes(bytes: Uint8Array, length: number): Bitfield {
    if (length < 0 || bytes.length !== Math.ceil(length / 8)) {
      throw new ShoalError(
        'invalid',
        `a bitfield of ${length} pieces has ${Math.ceil(length / 8)} bytes, not ${bytes.length}`,
      );
    }
    const padding = bytes.length * 8 - length;
    if (padding > 0 && ((bytes[bytes.length - 1] ?? 0) & ((1 << padding) - 1)) !== 0) {
      throw new ShoalError('invalid', 'a bitfield claims pieces past its end');
    }
    const field = new Bitfield(length);
    field.#bytes.set(bytes);
    for (const byte of bytes) field.#count += bitsIn(byte);
    return field;
  }

  static full(length: number): Bitfield {
    const field = new Bitfield(length);
    field.#bytes.fill(0xff);
    const padding = field.#bytes.length * 8 - length;
    if (padding > 0) field.#bytes[field.#bytes.length - 1] = (0xff << padding) & 0xff;
    field.#count = length;
    return field;
  }

  get count(): number {
    return this.#count;
  }

  get complete(): boolean {
    return this.#count === this.length;
  }

  has(index: number): boolean {
    return index >= 0 && index < this.length && ((this.#bytes[index >> 3] ?? 0) & (0x80 >> (index & 7))) !== 0;
  }

  /** Returns true if the piece was not there yet. @throws RangeError for an index outside the blob */
  add(index: number): boolean {
    this.#check(index);
    if (this.has(index)) return false;
    this.#bytes[index >> 3] = (this.#bytes[index >> 3] ?? 0) | (0x80 >> (index & 7));
    this.#count += 1;
    return true;
  }

  /** Returns true if the piece was there. @throws RangeError for an index outside the blob */
  remove(index: number): boolean {
    this.#check(index);
    if (!this.has(index)) return false;
    this.#bytes[index >> 3] = (this.#bytes[index >> 3] ?? 0) & ~(0x80 >> (index & 7));
    this.#count -= 1;
    return true;
  }

  toBytes(): Uint8Array {
    return this.#bytes.slice();
  }

  clone(): Bitfield {
    return Bitfield.fromBytes(this.#bytes, this.length);
  }

  *indices(): IterableIterator<number> {
    for (let index = 0; index < this.length; index += 1) if (this.has(index)) yield index;
  }

  *missing(): IterableIterator<number> {
    for (let index = 0; index < this.length; index += 1) if (!this.has(index)) yield index;
  }

  #check(index: number): void {
    if (!Number.isInteger(index) || index < 0 || index >= this.length) {
      throw new RangeError(`piece ${index} of ${this.length}`);
    }
  }
}

function bitsIn(byte: number): number {
  let bits = 0;
  for (let rest = byte; rest !== 0; rest &= rest - 1) bits += 1;
  return bits;
}
