import type { Stream } from '@libp2p/interface';
import { ShoalError } from '../util/errors.ts';
import type { BufferPool } from './buffer-pool.ts';
import { PieceStream } from './piece-stream.ts';

/** Opens a stream of the piece protocol to a peer. @throws when the peer cannot be reached */
export type OpenPieceStream = (peerId: string, signal: AbortSignal) => Promise<Stream>;

/** A stream that nobody uses stays for the next blob. */
const IDLE_MS = 20_000;

interface Shared {
  readonly stream: PieceStream;
  users: number;
  idleTimer: NodeJS.Timeout | undefined;
}

/** A borrowed stream; `release` says that this borrower is done with it. */
export interface Lease {
  readonly stream: PieceStream;
  release(): void;
}

/** One long-lived stream to each peer, shared by all blobs that are fetched from it. */
export class PieceStreams implements AsyncDisposable {
  readonly #open: OpenPieceStream;
  readonly #pool: BufferPool;
  readonly #shared = new Map<string, Shared>();
  readonly #opening = new Map<string, Promise<Shared>>();

  constructor(parts: { readonly open: OpenPieceStream; readonly pool: BufferPool }) {
    this.#open = parts.open;
    this.#pool = parts.pool;
  }

  /** @throws ShoalError `source-gone` when the peer cannot be reached */
  async borrow(peerId: string, signal: AbortSignal): Promise<Lease> {
    signal.throwIfAborted();
    const shared = this.#shared.get(peerId) ?? (await this.#opened(peerId, signal));
    signal.throwIfAborted();
    shared.users += 1;
    clearTimeout(shared.idleTimer);
    let held = true;
    return {
      stream: shared.stream,
      release: () => {
        if (!held) return;
        held = false;
        shared.users -= 1;
        if (shared.users === 0) this.#idle(shared);
      },
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    for (const { stream, idleTimer } of this.#shared.values()) {
      clearTimeout(idleTimer);
      stream.close();
    }
    this.#shared.clear();
    return Promise.resolve();
  }

  /** Two blobs that ask for one peer at the same moment share what is being opened. */
  async #opened(peerId: string, signal: AbortSignal): Promise<Shared> {
    const underWay = this.#opening.get(peerId);
    if (underWay !== undefined) {
      // The one who opens may give up; then this one opens its own.
      const shared = await underWay.catch(() => undefined);
      if (shared?.stream.ended === undefined && shared !== undefined) return shared;
      signal.throwIfAborted();
    }
    const opening = this.#openNew(peerId, signal);
    this.#opening.set(peerId, opening);
    try {
      return await opening;
    } finally {
      if (this.#opening.get(peerId) === opening) this.#opening.delete(peerId);
    }
  }

  async #openNew(peerId: string, signal: AbortSignal): Promise<Shared> {
    let raw: Stream;
    try {
      raw = await this.#open(peerId, signal);
    } catch (error) {
      signal.throwIfAborted();
      throw new ShoalError('source-gone', 'the peer cannot be reached', { cause: error });
    }
    const onClose = (): void => {
      clearTimeout(shared.idleTimer);
      if (this.#shared.get(peerId) === shared) this.#shared.delete(peerId);
    };
    const stream = new PieceStream({ stream: raw, onClose }, { pool: this.#pool });
    const shared: Shared = { stream, users: 0, idleTimer: undefined };
    this.#shared.set(peerId, shared);
    return shared;
  }

  #idle(shared: Shared): void {
    // Requests that were given up and not yet ended mean a peer that does not answer: the next one gets a fresh stream.
    if (shared.stream.busy) shared.stream.close();
    else shared.idleTimer = setTimeout(() => shared.stream.close(), IDLE_MS).unref();
  }
}
