import type { Availability } from '../src/transfer/piece-source.ts';

/** What is known of the pieces of a node, as of its last report: the same to all that watch it, and kept once for all. */
export class HaveView implements Availability {
  readonly #have: Uint8Array;
  readonly #listeners = new Set<(added?: readonly number[]) => void>();
  #count = 0;

  constructor(pieceCount: number) {
    this.#have = new Uint8Array(pieceCount);
  }

  get complete(): boolean {
    return this.#count === this.#have.length;
  }

  has(index: number): boolean {
    return this.#have[index] === 1;
  }

  onChange(listener: (added?: readonly number[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  add(indices: readonly number[]): void {
    const added = indices.filter((index) => this.#have[index] !== 1);
    for (const index of added) this.#have[index] = 1;
    this.#count += added.length;
    if (added.length > 0) for (const listener of this.#listeners) listener(added);
  }

  lose(): void {
    this.#have.fill(0);
    this.#count = 0;
    for (const listener of [...this.#listeners]) listener();
  }
}
