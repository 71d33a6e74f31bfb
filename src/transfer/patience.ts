import { geometryOf } from '../content/piece-geometry.ts';
import type { BlobTarget, SourceOpener } from './piece-source.ts';

/** A small blob would be read from an origin before a peer that has it could be asked. */
const PATIENCE_MS = 1500;
/** Of a blob of so many pieces a node reads its own share while it gets to know those who fetch it too. */
const SHARED_PIECES = 16;

/** For so long an origin waits for a peer that is being opened. */
export function patienceMs({ fetching }: SourceOpener, { manifest }: BlobTarget): number {
  const isShared = fetching === true && geometryOf(manifest.sizeBytes).pieceCount >= SHARED_PIECES;
  return isShared ? 0 : PATIENCE_MS;
}
