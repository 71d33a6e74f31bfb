import type { PieceMap } from '../../api/fleet-schemas.ts';
import { decodeBits, hasBit } from '../state/fleet-table.ts';

const SMALLEST_PX = 4;
const LARGEST_PX = 11;

export interface PieceGrid {
  readonly columns: number;
  readonly cellPx: number;
  readonly gapPx: number;
  /** Pieces that share a cell. */
  readonly perCell: number;
}

/** The largest cells with which all pieces fit; where even the smallest are too large, several pieces share one. */
export function gridFor(pieces: number, width: number, height: number): PieceGrid {
  for (let cellPx = LARGEST_PX; cellPx >= SMALLEST_PX; cellPx -= 1) {
    const columns = Math.max(1, Math.floor(width / cellPx));
    const rows = Math.max(1, Math.floor(height / cellPx));
    const isSmallest = cellPx === SMALLEST_PX;
    if (columns * rows < pieces && !isSmallest) continue;
    return { columns, cellPx, gapPx: cellPx > 5 ? 2 : 1, perCell: Math.max(1, Math.ceil(pieces / (columns * rows))) };
  }
  throw new RangeError('no grid'); // the smallest always returns
}

export interface PieceCell {
  /** The share of its pieces that is here. */
  readonly here: number;
  /** All that is missing can come from somewhere. */
  readonly offered: boolean;
}

export function cellsOf(map: Pick<PieceMap, 'here' | 'offered' | 'pieceCount'>, perCell: number): PieceCell[] {
  const here = decodeBits(map.here);
  const offered = decodeBits(map.offered);
  const cells: PieceCell[] = [];
  for (let start = 0; start < map.pieceCount; start += perCell) {
    const end = Math.min(map.pieceCount, start + perCell);
    let count = 0;
    let isOffered = true;
    for (let index = start; index < end; index += 1) {
      if (hasBit(here, index)) count += 1;
      else if (!hasBit(offered, index)) isOffered = false;
    }
    cells.push({ here: count / (end - start), offered: isOffered });
  }
  return cells;
}
