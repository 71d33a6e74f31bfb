import { geometryOf } from '../content/piece-geometry.ts';
import { childController } from '../util/deadline.ts';
import { ShoalError } from '../util/errors.ts';
import type { DataPlane, OpenBlob } from './data-plane.ts';
import { firstWord } from './first-word.ts';
import type { IncomingPiece } from './incoming-piece.ts';
import { judgeNotHeld } from './not-held.ts';
import type { Availability, BlobTarget, Fetched, Piece, PieceSource, SourceId, SourceOpener } from './piece-source.ts';
import type { Lease, PieceStreams } from './piece-streams.ts';
import type { Refusal } from './piece-wire.ts';

export interface StreamSourceParts {
  readonly streams: PieceStreams;
  readonly plane: DataPlane;
}

/** A peer that holds a blob, or some of its pieces, over the libp2p stream. */
export class StreamSourceOpener implements SourceOpener {
  readonly id: SourceId;
  readonly #peerId: string;
  readonly #availability: Availability;
  readonly #parts: StreamSourceParts;

  constructor(options: { readonly peerId: string; readonly availability: Availability }, parts: StreamSourceParts) {
    this.id = { kind: 'peer', id: options.peerId };
    this.#peerId = options.peerId;
    this.#availability = options.availability;
    this.#parts = parts;
  }

  async open(blob: BlobTarget, signal: AbortSignal): Promise<PieceSource> {
    // Together: a peer that is open but seems to have nothing would send the download to an origin.
    const [lease] = await Promise.all([
      this.#parts.streams.borrow(this.#peerId, signal),
      firstWord(this.#availability, geometryOf(blob.manifest.sizeBytes).pieceCount, signal),
    ]);
    const options = { id: this.id, availability: this.#availability, sha256: blob.sha256 };
    return new StreamSource(options, { lease, blob: this.#parts.plane.openBlob(blob) });
  }
}

class StreamSource implements PieceSource {
  readonly id: SourceId;
  readonly availability: Availability;
  readonly #sha256: string;
  readonly #lease: Lease;
  readonly #blob: OpenBlob;
  readonly #closing = new AbortController();

  constructor(
    options: { readonly id: SourceId; readonly availability: Availability; readonly sha256: string },
    parts: { readonly lease: Lease; readonly blob: OpenBlob },
  ) {
    this.id = options.id;
    this.availability = options.availability;
    this.#sha256 = options.sha256;
    this.#lease = parts.lease;
    this.#blob = parts.blob;
  }

  async fetch(piece: Piece, onBytes: (bytes: number) => void, signal: AbortSignal): Promise<Fetched> {
    const startMs = performance.now();
    signal.throwIfAborted();
    this.#closing.signal.throwIfAborted();
    const { controller, release } = childController(signal);
    const onClosing = (): void => controller.abort(this.#closing.signal.reason);
    this.#closing.signal.addEventListener('abort', onClosing, { once: true });
    const incoming = this.#blob.receive(piece, controller.signal);
    const asked = this.#ask(piece, incoming, onBytes);
    try {
      await Promise.race([incoming.ended, asked.failed]);
      return { bytes: piece.length, ms: performance.now() - startMs };
    } catch (error) {
      controller.abort(error);
      throw error;
    } finally {
      asked.cancel();
      incoming.cancel();
      this.#closing.signal.removeEventListener('abort', onClosing);
      release();
      // The place is free when this settles; whoever fetches the piece next may write it.
      await incoming.ended.catch(() => undefined);
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(new ShoalError('source-gone', 'the source was closed'));
    this.#lease.release();
    await this.#blob.close();
  }

  /** `failed` only ever rejects. */
  #ask(
    piece: Piece,
    incoming: IncomingPiece,
    onBytes: (bytes: number) => void,
  ): { readonly failed: Promise<never>; cancel(): void } {
    const { promise: failed, reject } = Promise.withResolvers<never>();
    failed.catch(() => undefined);
    const receiver = {
      write: (bytes: Uint8Array): void => {
        incoming.write(bytes);
        onBytes(bytes.length);
      },
      refused: (refusal: Refusal): void => {
        void this.#judge(refusal, piece).then(reject);
      },
      lost: reject,
    };
    try {
      const sha256 = this.#sha256;
      const request = this.#lease.stream.request({ sha256, index: piece.index, length: piece.length }, receiver);
      return { failed, cancel: () => request.cancel() };
    } catch (error) {
      reject(error);
      return { failed, cancel: () => undefined };
    }
  }

  async #judge(refusal: Refusal, piece: Piece): Promise<ShoalError> {
    switch (refusal) {
      case 'busy':
        return new ShoalError('source-busy', 'the peer is busy');
      case 'changed':
        return new ShoalError('source-gone', 'the peer has just lost the blob');
      case 'cancelled':
        return new ShoalError('source-lied', 'the peer cancelled what was not cancelled');
      case 'not-held':
        return await judgeNotHeld(piece.index, this.availability, this.#closing.signal);
    }
  }
}
