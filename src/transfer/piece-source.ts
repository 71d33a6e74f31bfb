import type { Manifest } from '../content/manifest.ts';

/**
 * The port between choosing pieces and moving them. A `PieceSource` is one blob from one place; bytes never pass
 * through it: `fetch` orders the data plane to receive, verify and write, and reports facts.
 */

export type SourceId =
  | { readonly kind: 'peer'; readonly id: string /* peer id */ }
  | { readonly kind: 'origin'; readonly id: string /* URL without credentials */ };

/** One string per source, for maps, logs and rendezvous hashing. */
export function sourceKey(id: SourceId): string {
  return `${id.kind}:${id.id}`;
}

export interface Piece {
  readonly index: number;
  readonly offset: number;
  readonly length: number;
  /** BLAKE3, 32 bytes. */
  readonly hash: Uint8Array;
}

/** Which pieces a source can give now; it may only grow while the source is honest. */
export interface Availability {
  readonly complete: boolean;
  has(index: number): boolean;
  /** `added`: nothing else has changed. Returns the function that ends the listening. */
  onChange(listener: (added?: readonly number[]) => void): () => void;
}

/** For sources that hold the whole blob. */
export const everything: Availability = {
  complete: true,
  has: () => true,
  onChange: () => () => undefined,
};

export interface Fetched {
  readonly bytes: number;
  /** From the order to the piece verified and written. */
  readonly ms: number;
}

export interface PieceSource {
  readonly id: SourceId;
  readonly availability: Availability;
  /** To be asked for at once at least, where each piece costs hardly more than the turn that it is ordered in. */
  readonly leastWindow?: number;
  /**
   * Resolves when the piece is verified and written into the partial, its have map included. `onBytes` reports progress
   * (bytes since the last call) for rate and stall detection; calls after the end are ignored. Pieces may be asked for
   * in any number at a time. Stall detection is the caller's: it aborts `signal`, and the promise then rejects soon.
   * So are the download and origin limits: the caller takes its tokens before it asks, so that waiting is no stall.
   * Verified first, then written: in the endgame a second source fetches the same piece, and the bytes of a liar must
   * not overwrite what an honest one has delivered.
   * @throws ShoalError `piece-corrupt`, `source-lied`, `source-stalled`, `source-gone`, `source-busy`, `disk-full`
   */
  fetch(piece: Piece, onBytes: (bytes: number) => void, signal: AbortSignal): Promise<Fetched>;
  /** Releases what the source holds for this blob; pieces still in flight reject with `source-gone`. */
  close(): Promise<void>;
}

/** What the data plane needs to write a blob's pieces. */
export interface BlobTarget {
  readonly sha256: string;
  readonly manifest: Manifest;
  readonly partial: { readonly dir: string; readonly sha256: string; readonly sizeBytes: number };
}

export interface SourceOpener {
  readonly id: SourceId;
  /** It is a peer that is fetching the blob itself, and has a part of it at most. */
  readonly fetching?: boolean;
  /** @throws ShoalError `source-gone`, `source-busy`, `source-stalled` */
  open(blob: BlobTarget, signal: AbortSignal): Promise<PieceSource>;
}
