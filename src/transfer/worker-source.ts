import { childController } from '../util/deadline.ts';
import { ShoalError } from '../util/errors.ts';
import type { PieceOrder, ResultOf } from './data-orders.ts';
import type { OpenBlob } from './data-plane.ts';
import { everything, type Fetched, type Piece, type PieceSource, type SourceId } from './piece-source.ts';
import type { PieceTaskOrder } from './plane-blob.ts';
import type { WorkerThread } from './worker-thread.ts';

export interface WorkerSourceParts<K extends 'fetch-http' | 'fetch-file'> {
  readonly blob: OpenBlob;
  readonly thread: WorkerThread;
  readonly order: (order: PieceOrder) => PieceTaskOrder<K>;
  readonly onFetched?: (result: ResultOf<K>) => void;
}

/** A source whose bytes a worker fetches by itself: the main thread only says which piece, and hears how it went. */
export class WorkerSource<K extends 'fetch-http' | 'fetch-file'> implements PieceSource {
  readonly id: SourceId;
  readonly availability = everything;
  readonly #parts: WorkerSourceParts<K>;
  readonly #closing = new AbortController();

  constructor(options: { readonly id: SourceId }, parts: WorkerSourceParts<K>) {
    this.id = options.id;
    this.#parts = parts;
  }

  async fetch(piece: Piece, onBytes: (bytes: number) => void, signal: AbortSignal): Promise<Fetched> {
    const startMs = performance.now();
    this.#closing.signal.throwIfAborted();
    const { blob, thread, order, onFetched } = this.#parts;
    // Whatever waits for a hung system call would wait behind it.
    if (thread.hung) throw new ShoalError('source-stalled', 'the origin does not answer, a system call hangs');
    const { controller, release } = childController(signal);
    const onClosing = (): void => controller.abort(this.#closing.signal.reason);
    this.#closing.signal.addEventListener('abort', onClosing, { once: true });
    try {
      const result = await blob.blob.fetch<K>(piece, thread, { order, onBytes }, controller.signal);
      onFetched?.(result);
      return { bytes: piece.length, ms: performance.now() - startMs };
    } finally {
      this.#closing.signal.removeEventListener('abort', onClosing);
      release();
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(new ShoalError('source-gone', 'the source was closed'));
    await this.#parts.blob.close();
  }
}
