import type { Bitfield } from '../content/bitfield.ts';
import { PieceSet } from './piece-set.ts';
import type { PieceRequest } from './request-line.ts';
import type { InFlightBudget } from './window.ts';

/** The pieces that a download has asked for, each of one source or, in the endgame, of two; and those that it has not. */
export class PiecesInFlight {
  readonly byPiece = new Map<number, PieceRequest[]>();
  /** Neither here nor asked for. */
  readonly open: PieceSet;
  readonly #have: Bitfield;
  readonly #budget: InFlightBudget;

  constructor(options: { readonly have: Bitfield }, parts: { readonly budget: InFlightBudget }) {
    this.#have = options.have;
    this.#budget = parts.budget;
    this.open = PieceSet.of(options.have.length, options.have.missing());
  }

  /** Pieces, however often asked for. */
  get size(): number {
    return this.byPiece.size;
  }

  add(request: PieceRequest): void {
    const { index, length } = request.piece;
    this.byPiece.set(index, [...this.of(index), request]);
    this.open.delete(index);
    this.#budget.bytes += length;
  }

  remove(request: PieceRequest): void {
    const { index, length } = request.piece;
    const others = this.of(index).filter((other) => other !== request);
    if (others.length > 0) this.byPiece.set(index, others);
    else this.byPiece.delete(index);
    if (others.length === 0 && !this.#have.has(index)) this.open.add(index);
    this.#budget.bytes -= length;
  }

  /** The piece is here, also when nobody was asked for it any more. */
  arrived(index: number): void {
    this.open.delete(index);
  }

  of(index: number): readonly PieceRequest[] {
    return this.byPiece.get(index) ?? [];
  }
}
