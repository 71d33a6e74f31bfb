import { geometryOf } from '../../content/piece-geometry.ts';
import { codeOf } from '../../util/errors.ts';
import type { LanePeer } from '../data-orders.ts';
import type { DataPlane } from '../data-plane.ts';
import { firstWord } from '../first-word.ts';
import { judgeNotHeld } from '../not-held.ts';
import type { Availability, BlobTarget, PieceSource, SourceId, SourceOpener } from '../piece-source.ts';
import { WorkerSource } from '../worker-source.ts';
import type { LaneBook } from './lane-book.ts';

export interface PeerSourceOptions {
  readonly peerId: string;
  readonly availability: Availability;
  /** It is fetching the blob itself. */
  readonly fetching?: boolean;
}

export interface PeerSourceParts {
  readonly lanes: LaneBook;
  readonly plane: DataPlane;
  /** The same peer over a libp2p stream. */
  readonly stream: SourceOpener;
}

/** A peer that holds a blob, or some of its pieces: over its lane, or over the libp2p stream where that is shut. */
export class PeerSourceOpener implements SourceOpener {
  readonly id: SourceId;
  readonly fetching: boolean;
  readonly #options: PeerSourceOptions;
  readonly #parts: PeerSourceParts;

  constructor(options: PeerSourceOptions, parts: PeerSourceParts) {
    this.id = { kind: 'peer', id: options.peerId };
    this.fetching = options.fetching ?? false;
    this.#options = options;
    this.#parts = parts;
  }

  async open(blob: BlobTarget, signal: AbortSignal): Promise<PieceSource> {
    const { lanes, stream, plane } = this.#parts;
    const { peerId, availability } = this.#options;
    const { pieceCount } = geometryOf(blob.manifest.sizeBytes);
    // Together: a peer that is open but seems to have nothing would send the download to an origin.
    const [peer] = await Promise.all([lanes.open(peerId, signal), firstWord(availability, pieceCount, signal)]);
    if (peer === undefined) return await stream.open(blob, signal);
    return openLaneSource({ peer, blob, availability, onClose: lanes.using(peerId) }, { plane });
  }
}

/** Pieces of one blob over the lane to one peer; each goes through the worker that has least to do. */
export function openLaneSource(
  options: {
    readonly peer: LanePeer;
    readonly blob: BlobTarget;
    readonly availability: Availability;
    readonly onClose?: () => void;
  },
  parts: { readonly plane: DataPlane },
): PieceSource {
  const { peer, blob, availability, onClose } = options;
  const { plane } = parts;
  const open = plane.openBlob(blob);
  return new WorkerSource<'fetch-lane'>(
    { id: { kind: 'peer', id: peer.peerId }, availability },
    {
      blob: {
        ...open,
        close: async () => {
          onClose?.();
          await open.close();
        },
      },
      thread: () => plane.mover(),
      order: (order) => ({ kind: 'fetch-lane', ...order, peer, sha256: blob.sha256 }),
      judge: async (error, piece, closing) =>
        codeOf(error) === 'not-found' ? await judgeNotHeld(piece.index, availability, closing) : error,
    },
  );
}
