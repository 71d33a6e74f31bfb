import { PieceSet } from './piece-set.ts';
import type { Availability } from './piece-source.ts';

/** What a source holds, as far as it has told. */
export type Holding = PieceSet | 'all';

export function isHeld(holding: Holding, index: number): boolean {
  return holding === 'all' || holding.has(index);
}

/**
 * Counts for each piece how many of the usable peers hold it, kept up to date by differences: a pick then costs one
 * pass over the missing pieces, not one per peer.
 */
export class Rarity {
  readonly #copies: Uint32Array;
  readonly #peers = new Map<string, { readonly availability: Availability; holding: Holding }>();

  constructor(pieceCount: number) {
    this.#copies = new Uint32Array(pieceCount);
  }

  copies(index: number): number {
    return this.#copies[index] ?? 0;
  }

  holding(key: string): Holding | undefined {
    return this.#peers.get(key)?.holding;
  }

  join(key: string, availability: Availability): void {
    this.leave(key);
    this.#peers.set(key, { availability, holding: new PieceSet(this.#copies.length) });
    this.refresh(key);
  }

  leave(key: string): void {
    const peer = this.#peers.get(key);
    if (peer === undefined) return;
    this.#peers.delete(key);
    for (let index = 0; index < this.#copies.length; index += 1) {
      if (isHeld(peer.holding, index)) this.#add(index, -1);
    }
  }

  /**
   * Call when the peer's availability has changed; says whether it has gained pieces.
   * @param added where nothing else has changed
   */
  refresh(key: string, added?: readonly number[]): boolean {
    const peer = this.#peers.get(key);
    if (peer === undefined) return false;
    const { availability, holding } = peer;
    if (added !== undefined && holding !== 'all' && !availability.complete) return this.#addPieces(holding, added);
    let gained = false;
    const now = new PieceSet(this.#copies.length);
    for (let index = 0; index < this.#copies.length; index += 1) {
      const holds = availability.complete || availability.has(index);
      if (holds) now.add(index);
      if (holds === isHeld(holding, index)) continue;
      this.#add(index, holds ? 1 : -1);
      gained ||= holds;
    }
    // One word instead of a bit per piece for each of the many peers that hold everything.
    peer.holding = availability.complete ? 'all' : now;
    return gained;
  }

  #addPieces(holding: PieceSet, added: readonly number[]): boolean {
    let gained = false;
    for (const index of added) {
      if (holding.has(index)) continue;
      holding.add(index);
      this.#add(index, 1);
      gained = true;
    }
    return gained;
  }

  #add(index: number, change: number): void {
    this.#copies[index] = (this.#copies[index] ?? 0) + change;
  }
}
