import { ShoalError } from '../util/errors.ts';

/** How a blob is cut: every piece has the same size but the last, which is what is left. An empty blob has none. */
export interface PieceGeometry {
  readonly sizeBytes: number;
  readonly pieceSizeBytes: number;
  readonly pieceCount: number;
}

const SMALLEST_PIECE = 256 * 1024;
const LARGEST_PIECE = 16 * 1024 * 1024;
/** Fewer pieces make the end of a fan-out slow, more make manifests large. */
const ENOUGH_PIECES = 1024;
/** 1 PiB: far above any model, far below where doubles lose whole numbers. */
export const LARGEST_BLOB = 2 ** 50;

/**
 * The largest power of two between 256 KiB and 16 MiB that still gives 1,024 pieces or more, or 256 KiB. A pure function
 * of the size, so that every node computes the same manifest for the same bytes.
 * @throws ShoalError `invalid` for a size that is no whole number from 0 to 2^50
 */
export function geometryOf(sizeBytes: number): PieceGeometry {
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0 || sizeBytes > LARGEST_BLOB) {
    throw new ShoalError('invalid', `a blob cannot have ${sizeBytes} bytes`);
  }
  let pieceSizeBytes = LARGEST_PIECE;
  while (pieceSizeBytes > SMALLEST_PIECE && Math.ceil(sizeBytes / pieceSizeBytes) < ENOUGH_PIECES) pieceSizeBytes /= 2;
  return { sizeBytes, pieceSizeBytes, pieceCount: Math.ceil(sizeBytes / pieceSizeBytes) };
}

export function pieceOffset(geometry: PieceGeometry, index: number): number {
  return index * geometry.pieceSizeBytes;
}

export function pieceLength(geometry: PieceGeometry, index: number): number {
  return Math.min(geometry.pieceSizeBytes, geometry.sizeBytes - index * geometry.pieceSizeBytes);
}
