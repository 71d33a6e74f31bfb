import type { OriginPiece, OriginPolicy } from './picker.ts';
import { type Holding, isHeld } from './rarity.ts';

export interface SeedsOptions {
  /** What each of them holds. */
  readonly holdings: readonly Holding[];
  /** Usable peers that hold a piece, seeds among them. */
  readonly copies: (index: number) => number;
  /** Pieces that are neither here nor asked for. */
  readonly open: { forEach(visit: (index: number) => void): void };
}

/**
 * What is asked of the few peers that have what nobody else who fetches has: as with an origin, each piece is brought into
 * the swarm by one node. Where any could ask for any, a seed of eight nodes gave a fifth of the file twice (simulated; see
 * bench/notes.md). When all that is missing here is on other nodes as well, a seed gives it like any peer.
 */
export class Seeds {
  readonly #options: SeedsOptions;
  readonly #areWhole: boolean;
  /** As of the first question: a look asks a few times, while less and less is open. */
  #anyUnspread: boolean | undefined;

  constructor(options: SeedsOptions) {
    this.#options = options;
    this.#areWhole = options.holdings.every((holding) => holding === 'all');
  }

  /** Usable peers that hold the piece, without seeds. */
  copiesElsewhere(index: number): number {
    const { holdings, copies } = this.#options;
    if (this.#areWhole) return copies(index) - holdings.length;
    let held = 0;
    for (const holding of holdings) if (isHeld(holding, index)) held += 1;
    return copies(index) - held;
  }

  /** @param policy says who brings the pieces that only seeds have */
  policy(policy: OriginPolicy): OriginPolicy {
    return (piece: OriginPiece) => {
      const copies = this.copiesElsewhere(piece.index);
      if (copies === 0) return policy({ ...piece, copies });
      return this.#hasUnspread() ? undefined : 0;
    };
  }

  #hasUnspread(): boolean {
    if (this.#anyUnspread === undefined) {
      this.#anyUnspread = false;
      this.#options.open.forEach((index) => {
        this.#anyUnspread ||= this.#options.copies(index) > 0 && this.copiesElsewhere(index) === 0;
      });
    }
    return this.#anyUnspread;
  }
}
