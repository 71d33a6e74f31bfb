import type { Stream } from '@libp2p/interface';
import type { Uint8ArrayList } from 'uint8arraylist';
import { messageOf, ShoalError } from '../util/errors.ts';
import type { BufferPool } from './buffer-pool.ts';
import { gone, PieceAsker, type PieceReceiver } from './piece-asker.ts';

/** How long a write side may have been closed in the middle of an answer before that is a breach and not a farewell. */
const FAREWELL_MS = 300;
/** What may lie in the stream while it is paused: its window, or libp2p resets it. */
const PAUSED_BYTES = 20 * 1024 * 1024;

/** The asking end of `/shoal/piece/1` over a libp2p stream, which is paused while the workers have enough to write. */
export class PieceStream {
  readonly #stream: Stream;
  readonly #pool: BufferPool;
  readonly #asker: PieceAsker;
  readonly #inbox: Uint8Array[] = [];
  #paused = false;
  #inGoodOrder = false;
  #forgetRoom: (() => void) | undefined;

  /** @param options.onClose called once, when the stream can carry no more requests */
  constructor(
    options: { readonly stream: Stream; readonly onClose: (error: ShoalError) => void },
    parts: { readonly pool: BufferPool },
  ) {
    const { stream, onClose } = options;
    this.#stream = stream;
    this.#pool = parts.pool;
    this.#asker = new PieceAsker({
      send: (request) => stream.send(request),
      onEnd: (error) => {
        this.#forgetRoom?.();
        this.#inbox.length = 0;
        if (!this.#inGoodOrder) stream.abort(error);
        onClose(error);
      },
    });
    stream.maxReadBufferLength = Math.max(stream.maxReadBufferLength, PAUSED_BYTES);
    stream.addEventListener('message', (event) => this.#take(event.data));
    stream.addEventListener('close', (event) => this.#asker.end(gone(event.error)));
    stream.addEventListener('remoteCloseWrite', () => this.#remoteClosed());
  }

  get ended(): ShoalError | undefined {
    return this.#asker.ended;
  }

  /** Something that was asked for has neither come nor been refused. */
  get busy(): boolean {
    return this.#asker.busy;
  }

  /** @throws ShoalError why the stream ended, if it has */
  request(...args: [piece: Parameters<PieceAsker['request']>[0], receiver: PieceReceiver]): { cancel(): void } {
    return this.#asker.request(...args);
  }

  /** Ends the stream; in good order when nothing is under way. */
  close(): void {
    if (!this.#asker.busy && this.#asker.ended === undefined) {
      this.#inGoodOrder = true;
      void this.#stream.close().catch(() => undefined);
    }
    this.#asker.end(new ShoalError('source-gone', 'the stream to the peer was closed'));
  }

  #take(bytes: Uint8Array | Uint8ArrayList): void {
    if (bytes instanceof Uint8Array) this.#inbox.push(bytes);
    else for (const part of bytes) this.#inbox.push(part);
    this.#drain();
  }

  /** As far as there are buffers; beyond that the stream is paused, and the sender finds its window closed. */
  #drain(): void {
    try {
      for (let part = this.#inbox.shift(); part !== undefined; part = this.#inbox.shift()) {
        if (this.#pool.exhausted && this.#asker.receiving) {
          this.#inbox.unshift(part);
          this.#pause();
          return;
        }
        const taken = this.#asker.take(part);
        if (taken < part.length) this.#inbox.unshift(part.subarray(taken));
        if (this.#asker.ended !== undefined) return;
      }
      this.#resume();
    } catch (error) {
      const breach =
        error instanceof ShoalError ? error : new ShoalError('internal', messageOf(error), { cause: error });
      this.#asker.end(breach);
    }
  }

  #pause(): void {
    this.#forgetRoom ??= this.#pool.whenRoom(() => {
      this.#forgetRoom = undefined;
      this.#drain();
    });
    if (this.#paused || this.#stream.status !== 'open') return;
    this.#paused = true;
    this.#stream.pause();
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.#stream.readStatus === 'paused') this.#stream.resume();
  }

  /** A node that goes down closes its connections too; one that only ends its answers early breaks the protocol. */
  #remoteClosed(): void {
    if (this.#asker.ended !== undefined) return;
    const inAnswer = this.#asker.oldest;
    setTimeout(() => {
      const open = this.#stream.status === 'open' || this.#stream.status === 'closing';
      const still = this.#asker.oldest?.id === inAnswer?.id;
      const lied = open && inAnswer?.begun === true && still;
      this.#asker.end(lied ? new ShoalError('source-lied', 'the peer ended its answer early') : gone(undefined));
    }, FAREWELL_MS).unref();
  }
}
