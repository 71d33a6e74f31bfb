import { geometryOf, pieceLength, pieceOffset } from '../content/piece-geometry.ts';
import type { FileStamp } from '../store/file-stamp.ts';
import { ShoalError } from '../util/errors.ts';
import type { Log } from '../util/log.ts';
import type { RateLimiter } from './bandwidth.ts';
import type { ServedFile } from './data-orders.ts';
import type { DataPlane } from './data-plane.ts';

/** Where the bytes of a blob are on this disk. */
export type ServedBlob =
  | { readonly kind: 'file'; readonly path: string; readonly stamp: FileStamp }
  | {
      readonly kind: 'partial';
      readonly path: string;
      readonly sizeBytes: number;
      readonly have: { has(index: number): boolean };
    };

/** What serving stands on, whatever the transport. */
export interface ServingParts {
  readonly plane: DataPlane;
  /** Undefined for what this node does not hold; a partial only serves the pieces it has. */
  readonly locate: (sha256: string) => ServedBlob | undefined;
  /** A file was found to differ from what was hashed: it is to be withdrawn now and hashed again. */
  readonly onChanged: (blob: { readonly sha256: string; readonly path: string }) => void;
  readonly limiter: RateLimiter;
  readonly log: Log;
}

/** Where one piece lies in a file of this disk. */
export interface ServedPiece {
  readonly file: ServedFile;
  readonly offset: number;
  readonly length: number;
}

/** @throws ShoalError `not-found` for what is not here */
export function locatePiece(blob: ServedBlob | undefined, index: number): ServedPiece {
  if (blob === undefined) throw new ShoalError('not-found', 'the blob is not here');
  const geometry = geometryOf(blob.kind === 'file' ? blob.stamp.sizeBytes : blob.sizeBytes);
  const inside = index < geometry.pieceCount;
  if (!inside || (blob.kind === 'partial' && !blob.have.has(index))) {
    throw new ShoalError('not-found', 'the piece is not here');
  }
  const file = { path: blob.path, stamp: blob.kind === 'file' ? blob.stamp : undefined };
  return { file, offset: pieceOffset(geometry, index), length: pieceLength(geometry, index) };
}
