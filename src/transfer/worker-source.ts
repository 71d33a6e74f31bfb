import { ShoalError } from '../util/errors.ts';
import type { PieceOrder, ResultOf } from './data-orders.ts';
import type { OpenBlob } from './data-plane.ts';
import {
  type Availability,
  everything,
  type Fetched,
  type Piece,
  type PieceSource,
  type SourceId,
} from './piece-source.ts';
import type { FetchTaskKind, PieceTaskOrder } from './plane-blob.ts';
import type { WorkerThread } from './worker-thread.ts';

export interface WorkerSourceParts<K extends FetchTaskKind> {
  readonly blob: OpenBlob;
  /** Which worker fetches the next piece. */
  readonly thread: () => WorkerThread;
  readonly order: (order: PieceOrder) => PieceTaskOrder<K>;
  readonly onFetched?: (result: ResultOf<K>) => void;
  /** What a failure means, where the worker cannot know. */
  readonly judge?: (error: unknown, piece: Piece, closing: AbortSignal) => Promise<unknown>;
}

/** A source whose bytes a worker fetches by itself: the main thread only says which piece, and hears how it went. */
export class WorkerSource<K extends FetchTaskKind> implements PieceSource {
  readonly id: SourceId;
  readonly availability: Availability;
  readonly leastWindow: number;
  readonly #parts: WorkerSourceParts<K>;
  readonly #closing = new AbortController();

  constructor(
    options: { readonly id: SourceId; readonly availability?: Availability; readonly leastWindow?: number },
    parts: WorkerSourceParts<K>,
  ) {
    this.id = options.id;
    this.availability = options.availability ?? everything;
    this.leastWindow = options.leastWindow ?? 1;
    this.#parts = parts;
  }

  async fetch(piece: Piece, onBytes: (bytes: number) => void, signal: AbortSignal): Promise<Fetched> {
    const startMs = performance.now();
    this.#closing.signal.throwIfAborted();
    const { blob, order, onFetched, judge } = this.#parts;
    const thread = this.#parts.thread();
    // Whatever waits for a hung system call would wait behind it.
    if (thread.hung) throw new ShoalError('source-stalled', 'no answer, a system call hangs');
    try {
      const result = await blob.blob.fetch<K>(piece, thread, { order, onBytes }, signal, this.#closing.signal);
      onFetched?.(result);
      return { bytes: piece.length, ms: performance.now() - startMs };
    } catch (error) {
      throw judge === undefined || signal.aborted ? error : await judge(error, piece, this.#closing.signal);
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(new ShoalError('source-gone', 'the source was closed'));
    await this.#parts.blob.close();
  }
}
