/**
 * Pieces of one blob as bits in words of 32: what two sets have in common costs one step for each 32 pieces, which is what
 * choosing among forty sources, many times a second, comes down to.
 */
export class PieceSet implements Iterable<number> {
  readonly #words: Uint32Array;

  constructor(pieceCount: number) {
    this.#words = new Uint32Array(Math.ceil(pieceCount / 32));
  }

  static of(pieceCount: number, indices: Iterable<number>): PieceSet {
    const set = new PieceSet(pieceCount);
    for (const index of indices) set.add(index);
    return set;
  }

  has(index: number): boolean {
    return ((this.#words[index >>> 5] ?? 0) & (1 << (index & 31))) !== 0;
  }

  add(index: number): void {
    this.#words[index >>> 5] = (this.#words[index >>> 5] ?? 0) | (1 << (index & 31));
  }

  delete(index: number): void {
    this.#words[index >>> 5] = (this.#words[index >>> 5] ?? 0) & ~(1 << (index & 31));
  }

  /** Whether any piece is in both. */
  meets(other: PieceSet): boolean {
    const words = this.#words;
    const others = other.#words;
    for (let at = 0; at < words.length; at += 1) if (((words[at] ?? 0) & (others[at] ?? 0)) !== 0) return true;
    return false;
  }

  /** The lowest; with `within`, of what is in both. */
  first(within?: PieceSet): number | undefined {
    const words = this.#words;
    const others = (within ?? this).#words;
    for (let at = 0; at < words.length; at += 1) {
      const word = (words[at] ?? 0) & (others[at] ?? 0);
      if (word !== 0) return at * 32 + 31 - Math.clz32(word & -word);
    }
    return undefined;
  }

  get isEmpty(): boolean {
    return this.#words.every((word) => word === 0);
  }

  /** In order; with `within`, only what is in both. Nothing may change in the middle of it. */
  forEach(visit: (index: number) => void, within?: PieceSet): void {
    const words = this.#words;
    const others = (within ?? this).#words;
    for (let at = 0; at < words.length; at += 1) {
      let word = (words[at] ?? 0) & (others[at] ?? 0);
      while (word !== 0) {
        const lowest = word & -word;
        visit(at * 32 + 31 - Math.clz32(lowest));
        word ^= lowest;
      }
    }
  }

  *[Symbol.iterator](): IterableIterator<number> {
    for (let index = 0; index < this.#words.length * 32; index += 1) if (this.has(index)) yield index;
  }
}
