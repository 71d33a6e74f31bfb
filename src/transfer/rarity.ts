import type { Availability } from './piece-source.ts';

/**
 * Counts for each piece how many of the usable peers hold it, kept up to date by differences: a pick then costs one
 * pass over the missing pieces, not one per peer.
 */
export class Rarity {
  readonly #copies: Uint32Array;
  readonly #peers = new Map<string, { availability: Availability; counted: Uint8Array | 'all' }>();

  constructor(pieceCount: number) {
    this.#copies = new Uint32Array(pieceCount);
  }

  copies(index: number): number {
    return this.#copies[index] ?? 0;
  }

  join(key: string, availability: Availability): void {
    this.leave(key);
    this.#peers.set(key, { availability, counted: new Uint8Array(this.#copies.length) });
    this.refresh(key);
  }

  leave(key: string): void {
    const peer = this.#peers.get(key);
    if (peer === undefined) return;
    this.#peers.delete(key);
    for (let index = 0; index < this.#copies.length; index += 1) {
      if (peer.counted === 'all' || peer.counted[index] === 1) this.#add(index, -1);
    }
  }

  /**
   * Call when the peer's availability has changed; says whether it has gained pieces.
   * @param added where nothing else has changed
   */
  refresh(key: string, added?: readonly number[]): boolean {
    const peer = this.#peers.get(key);
    if (peer === undefined) return false;
    const { availability } = peer;
    if (added !== undefined && peer.counted !== 'all' && !availability.complete) {
      return this.#addPieces(peer.counted, added);
    }
    let gained = false;
    const counted = peer.counted === 'all' ? new Uint8Array(this.#copies.length).fill(1) : peer.counted;
    for (let index = 0; index < this.#copies.length; index += 1) {
      const holds = availability.complete || availability.has(index) ? 1 : 0;
      if (holds === counted[index]) continue;
      counted[index] = holds;
      this.#add(index, holds === 1 ? 1 : -1);
      gained ||= holds === 1;
    }
    // One word instead of a byte per piece for each of the many peers that hold everything.
    peer.counted = availability.complete ? 'all' : counted;
    return gained;
  }

  #addPieces(counted: Uint8Array, added: readonly number[]): boolean {
    let gained = false;
    for (const index of added) {
      if (counted[index] !== 0) continue;
      counted[index] = 1;
      this.#add(index, 1);
      gained = true;
    }
    return gained;
  }

  #add(index: number, change: number): void {
    this.#copies[index] = (this.#copies[index] ?? 0) + change;
  }
}
