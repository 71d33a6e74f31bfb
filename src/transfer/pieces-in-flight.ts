import type { PieceRequest } from './request-line.ts';
import type { InFlightBudget } from './window.ts';

/** The pieces that a download has asked for, each of one source or, in the endgame, of two. */
export class PiecesInFlight {
  readonly byPiece = new Map<number, PieceRequest[]>();
  readonly #budget: InFlightBudget;

  constructor(parts: { readonly budget: InFlightBudget }) {
    this.#budget = parts.budget;
  }

  /** Pieces, however often asked for. */
  get size(): number {
    return this.byPiece.size;
  }

  add(request: PieceRequest): void {
    const { index, length } = request.piece;
    this.byPiece.set(index, [...this.of(index), request]);
    this.#budget.bytes += length;
  }

  remove(request: PieceRequest): void {
    const { index, length } = request.piece;
    const others = this.of(index).filter((other) => other !== request);
    if (others.length > 0) this.byPiece.set(index, others);
    else this.byPiece.delete(index);
    this.#budget.bytes -= length;
  }

  of(index: number): readonly PieceRequest[] {
    return this.byPiece.get(index) ?? [];
  }
}
