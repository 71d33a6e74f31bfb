import type { Stream } from '@libp2p/interface';
import { messageOf, ShoalError } from '../util/errors.ts';
import { PieceUpload } from './piece-upload.ts';
import type { ServingParts } from './serving.ts';
import type { UploadLedger } from './upload-ledger.ts';

/** What is sent to a peer over one of its streams, for the API. */
export interface Upload {
  readonly peerId: string;
  readonly sentBytes: number;
  readonly queuedPieces: number;
}

/** A peer needs one; a second one is one that it gave up and opened again. */
const MAX_STREAMS_PER_PEER = 4;

export interface PieceServerParts extends ServingParts {
  readonly ledger: UploadLedger;
}

/** The giving end of `/shoal/piece/1`: whole files and the verified pieces of partials, to whoever asks. */
export class PieceServer implements AsyncDisposable {
  readonly #parts: PieceServerParts;
  readonly #uploads = new Map<string, Set<PieceUpload>>();
  readonly #closing = new AbortController();

  constructor(parts: PieceServerParts) {
    this.#parts = parts;
  }

  uploads(): Upload[] {
    return [...this.#uploads].flatMap(([peerId, uploads]) =>
      [...uploads].map(({ sentBytes, queuedPieces }) => ({ peerId, sentBytes, queuedPieces })),
    );
  }

  /** Serves a stream until the peer, or this node, ends it; never rejects. */
  async handle(stream: Stream, peerId: string): Promise<void> {
    const uploads = this.#uploads.get(peerId) ?? new Set();
    if (uploads.size >= MAX_STREAMS_PER_PEER || this.#closing.signal.aborted) {
      stream.abort(new ShoalError('source-busy', 'too many streams'));
      return;
    }
    const upload = new PieceUpload(
      { stream, peerId },
      { ...this.#parts, slots: this.#parts.ledger.slots, onSent: (bytes) => this.#parts.ledger.sent(peerId, bytes) },
    );
    uploads.add(upload);
    this.#uploads.set(peerId, uploads);
    try {
      await upload.run(this.#closing.signal);
    } catch (error) {
      this.#parts.log.debug({ err: error, peer: peerId }, 'upload ended');
      stream.abort(error instanceof Error ? error : new Error(messageOf(error)));
    } finally {
      uploads.delete(upload);
      if (uploads.size === 0) this.#uploads.delete(peerId);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new ShoalError('source-gone', 'this node is going down'));
    return Promise.resolve();
  }
}
