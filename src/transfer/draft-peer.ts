import { codeOf, ShoalError } from '../util/errors.ts';
import type { GrowingManifest } from './growing-manifest.ts';
import type { Availability, BlobTarget, Fetched, Piece, PieceSource, SourceOpener } from './piece-source.ts';

/** Says who is wrong when a peer's piece does not fit the hash that a reader told: the peer is, if this resolves true. */
export type Judge = (index: number, peerId: string) => Promise<boolean>;

export interface DraftPeerParts {
  readonly growing: GrowingManifest;
  readonly judge: Judge;
}

/** A peer as a source of a draft's pieces: it can be asked for those whose hash is known. */
export function draftPeer(opener: SourceOpener, parts: DraftPeerParts): SourceOpener {
  return {
    id: opener.id,
    ...(opener.fetching === undefined ? {} : { fetching: opener.fetching }),
    open: async (blob: BlobTarget, signal) => new DraftPeer(await opener.open(blob, signal), parts),
  };
}

class DraftPeer implements PieceSource {
  readonly availability: Availability;
  readonly #source: PieceSource;
  readonly #judge: Judge;

  constructor(source: PieceSource, { growing, judge }: DraftPeerParts) {
    this.#source = source;
    this.#judge = judge;
    this.availability = new KnownPieces(source.availability, growing);
  }

  get id(): PieceSource['id'] {
    return this.#source.id;
  }

  async fetch(piece: Piece, onBytes: (bytes: number) => void, signal: AbortSignal): Promise<Fetched> {
    try {
      return await this.#source.fetch(piece, onBytes, signal);
    } catch (error) {
      if (codeOf(error) !== 'piece-corrupt' || signal.aborted) throw error;
      if (await this.#judge(piece.index, this.id.id)) throw error;
      throw new ShoalError('source-gone', 'its piece is of another reading of the file', { cause: error });
    }
  }

  close(): Promise<void> {
    return this.#source.close();
  }
}

/** What a peer holds, as far as it can be checked. */
class KnownPieces implements Availability {
  readonly #held: Availability;
  readonly #growing: GrowingManifest;

  constructor(held: Availability, growing: GrowingManifest) {
    this.#held = held;
    this.#growing = growing;
  }

  get complete(): boolean {
    return this.#held.complete && this.#growing.known.complete;
  }

  has(index: number): boolean {
    return this.#growing.known.has(index) && this.#held.has(index);
  }

  onChange(listener: (added?: readonly number[]) => void): () => void {
    const known = this.#growing.known;
    const unheld = this.#held.onChange((added) => listener(added?.filter((index) => known.has(index))));
    const unknown = this.#growing.onAdded((added) => listener(added.filter((index) => this.#held.has(index))));
    return () => {
      unheld();
      unknown();
    };
  }
}
