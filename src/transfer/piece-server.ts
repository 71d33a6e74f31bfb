import type { Stream } from '@libp2p/interface';
import type { Counter } from 'prom-client';
import { messageOf, ShoalError } from '../util/errors.ts';
import type { Metrics } from '../util/metrics.ts';
import { PieceUpload } from './piece-upload.ts';
import type { ServingParts } from './serving.ts';
import { UploadSlots } from './upload-slots.ts';

/** What is sent to a peer over one of its streams, for the API. */
export interface Upload {
  readonly peerId: string;
  readonly sentBytes: number;
  readonly queuedPieces: number;
}

/** A peer needs one; a second one is one that it gave up and opened again. */
const MAX_STREAMS_PER_PEER = 4;
/** Pieces that are being sent at a time. Each holds about 1 MiB read ahead, which bounds the memory for all. */
const UPLOAD_SLOTS = 24;

export interface PieceServerParts extends ServingParts {
  readonly metrics: Metrics;
}

/** The giving end of `/shoal/piece/1`: whole files and the verified pieces of partials, to whoever asks. */
export class PieceServer implements AsyncDisposable {
  readonly #parts: PieceServerParts;
  readonly #slots = new UploadSlots({ slots: UPLOAD_SLOTS });
  readonly #uploads = new Map<string, Set<PieceUpload>>();
  readonly #sentBytes: Counter;
  /** Since the start; as many entries as the fleet has had members. */
  readonly #sentTo = new Map<string, number>();
  readonly #closing = new AbortController();

  constructor(parts: PieceServerParts) {
    this.#parts = parts;
    this.#sentBytes = parts.metrics.counter('shoal_sent_bytes_total', 'Piece bytes sent to peers');
  }

  sentTo(peerId: string): number {
    return this.#sentTo.get(peerId) ?? 0;
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
      { ...this.#parts, slots: this.#slots, onSent: (bytes) => this.#sent(peerId, bytes) },
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

  #sent(peerId: string, bytes: number): void {
    this.#sentBytes.inc(bytes);
    this.#sentTo.set(peerId, this.sentTo(peerId) + bytes);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new ShoalError('source-gone', 'this node is going down'));
    return Promise.resolve();
  }
}
