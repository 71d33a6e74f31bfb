import type { Stream } from '@libp2p/interface';
import type { Uint8ArrayList } from 'uint8arraylist';
import { messageOf, ShoalError } from '../util/errors.ts';
import type { BufferPool } from './buffer-pool.ts';
import {
  ANSWER_BYTES,
  decodeAnswer,
  encodeRequest,
  type PieceAnswer,
  RecordReader,
  type Refusal,
} from './piece-wire.ts';

/** A server that was told to stop sends what is under way and says so; one that does neither holds up the others. */
const CANCEL_MS = 5000;
/** How long a write side may have been closed in the middle of an answer before that is a breach and not a farewell. */
const FAREWELL_MS = 300;
/** What may lie in the stream while it is paused: its window, or libp2p resets it. */
const PAUSED_BYTES = 20 * 1024 * 1024;

/** Where the bytes of one requested piece go. Exactly one of `refused` and `lost` is called, or all bytes come. */
export interface PieceReceiver {
  write(bytes: Uint8Array): void;
  refused(refusal: Refusal): void;
  lost(error: ShoalError): void;
}

interface Pending {
  readonly id: number;
  readonly receiver: PieceReceiver;
  readonly length: number;
  missing: number;
  cancelled: boolean;
}

/**
 * The asking end of `/shoal/piece/1`: many requests on one long-lived stream, answered in order. The peer is believed
 * nothing: every byte must belong to the oldest request and fit it, or the stream ends with `source-lied`.
 */
export class PieceStream {
  readonly #stream: Stream;
  readonly #pool: BufferPool;
  readonly #records = new RecordReader(ANSWER_BYTES);
  readonly #pending: Pending[] = [];
  readonly #inbox: Uint8Array[] = [];
  readonly #onClose: (error: ShoalError) => void;
  #nextId = 1;
  #data: { readonly entry: Pending; left: number } | undefined;
  #paused = false;
  #forgetRoom: (() => void) | undefined;
  #cancelTimer: NodeJS.Timeout | undefined;
  #ended: ShoalError | undefined;
  #untold = false;

  /** @param options.onClose called once, when the stream can carry no more requests */
  constructor(
    options: { readonly stream: Stream; readonly onClose: (error: ShoalError) => void },
    parts: { readonly pool: BufferPool },
  ) {
    this.#stream = options.stream;
    this.#onClose = options.onClose;
    this.#pool = parts.pool;
    const { stream } = options;
    stream.maxReadBufferLength = Math.max(stream.maxReadBufferLength, PAUSED_BYTES);
    stream.addEventListener('message', (event) => this.#take(event.data));
    stream.addEventListener('close', (event) => this.#end(gone(event.error)));
    stream.addEventListener('remoteCloseWrite', () => this.#remoteClosed());
  }

  get ended(): ShoalError | undefined {
    return this.#ended;
  }

  /** Something that was asked for has neither come nor been refused. */
  get busy(): boolean {
    return this.#pending.length > 0;
  }

  /** @throws ShoalError why the stream ended, if it has; a breach that no request stands for only the first time */
  request(
    piece: { readonly sha256: string; readonly index: number; readonly length: number },
    receiver: PieceReceiver,
  ): { cancel(): void } {
    if (this.#ended !== undefined) {
      const error = this.#untold ? this.#ended : innocent(this.#ended);
      this.#untold = false;
      throw error;
    }
    const id = this.#nextId;
    this.#nextId = (this.#nextId + 1) >>> 0;
    const { length } = piece;
    const entry: Pending = { id, receiver, length, missing: length, cancelled: false };
    this.#pending.push(entry);
    this.#send({ kind: 'get', id, sha256: piece.sha256, index: piece.index });
    return { cancel: () => this.#cancel(entry) };
  }

  /** Ends the stream; in good order when nothing is under way. */
  close(): void {
    const idle = this.#pending.length === 0;
    if (idle && this.#ended === undefined) void this.#stream.close().catch(() => undefined);
    this.#end(new ShoalError('source-gone', 'the stream to the peer was closed'), { abort: !idle });
  }

  #send(request: Parameters<typeof encodeRequest>[0]): void {
    try {
      this.#stream.send(encodeRequest(request));
    } catch (error) {
      this.#end(gone(error));
    }
  }

  #cancel(entry: Pending): void {
    if (entry.cancelled || !this.#pending.includes(entry)) return;
    entry.cancelled = true;
    this.#send({ kind: 'cancel', id: entry.id });
    this.#watchCancelled();
  }

  /** While the oldest request is a cancelled one, the peer has to make an end of it. */
  #watchCancelled(): void {
    if (this.#pending[0]?.cancelled !== true || this.#cancelTimer !== undefined) return;
    const watched = this.#pending[0];
    this.#cancelTimer = setTimeout(() => {
      this.#cancelTimer = undefined;
      if (this.#pending[0] !== watched) this.#watchCancelled();
      else this.#end(new ShoalError('source-stalled', 'the peer neither sends nor stops'));
    }, CANCEL_MS).unref();
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
        if (this.#pool.exhausted && this.#data?.entry.cancelled === false) {
          this.#inbox.unshift(part);
          this.#pause();
          return;
        }
        const taken = this.#data === undefined ? this.#takeRecord(part) : this.#takeData(part);
        if (taken < part.length) this.#inbox.unshift(part.subarray(taken));
        if (this.#ended !== undefined) return;
      }
      this.#resume();
    } catch (error) {
      const breach =
        error instanceof ShoalError ? error : new ShoalError('internal', messageOf(error), { cause: error });
      this.#end(breach);
    }
  }

  #takeRecord(bytes: Uint8Array): number {
    const { taken, record } = this.#records.read(bytes);
    if (record !== undefined) this.#answer(decodeAnswer(record));
    return taken;
  }

  #answer(answer: PieceAnswer): void {
    const entry = this.#pending[0];
    if (entry?.id !== answer.id) {
      const problem = entry === undefined ? 'bytes that nobody asked for' : 'an answer out of turn';
      throw new ShoalError('source-lied', `the peer sends ${problem}`);
    }
    if (answer.kind === 'data') {
      if (answer.bytes > entry.missing) throw new ShoalError('source-lied', 'the peer sends more than the piece has');
      this.#data = { entry, left: answer.bytes };
      return;
    }
    this.#shift();
    if (answer.kind === 'cancelled' && !entry.cancelled) {
      entry.receiver.lost(new ShoalError('source-lied', 'the peer cancelled what was not cancelled'));
    } else if (!entry.cancelled) entry.receiver.refused(answer.kind);
  }

  #takeData(bytes: Uint8Array): number {
    const data = this.#data;
    if (data === undefined) return 0;
    const part = bytes.length > data.left ? bytes.subarray(0, data.left) : bytes;
    data.left -= part.length;
    data.entry.missing -= part.length;
    if (data.left === 0) this.#data = undefined;
    if (data.entry.missing === 0) this.#shift();
    if (!data.entry.cancelled) data.entry.receiver.write(part);
    return part.length;
  }

  #shift(): void {
    this.#pending.shift();
    clearTimeout(this.#cancelTimer);
    this.#cancelTimer = undefined;
    this.#watchCancelled();
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
    if (this.#ended !== undefined) return;
    const inAnswer = this.#pending[0];
    const begun = inAnswer !== undefined && inAnswer.missing < inAnswer.length;
    setTimeout(() => {
      const open = this.#stream.status === 'open' || this.#stream.status === 'closing';
      const lied = open && begun && this.#pending[0] === inAnswer;
      this.#end(lied ? new ShoalError('source-lied', 'the peer ended its answer early') : gone(undefined));
    }, FAREWELL_MS).unref();
  }

  #end(error: ShoalError, options: { readonly abort: boolean } = { abort: true }): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    clearTimeout(this.#cancelTimer);
    this.#forgetRoom?.();
    this.#inbox.length = 0;
    this.#data = undefined;
    if (options.abort) this.#stream.abort(error);
    const [head, ...others] = this.#pending.splice(0);
    if (head?.cancelled === false) head.receiver.lost(error);
    else this.#untold = true;
    for (const entry of others) if (!entry.cancelled) entry.receiver.lost(innocent(error));
    this.#onClose(error);
  }
}

/** The breach was in the answer to the oldest request; the others only lost their stream. */
function innocent(error: ShoalError): ShoalError {
  if (error.code !== 'source-lied') return error;
  return new ShoalError('source-gone', 'the stream ended because of another piece', { cause: error });
}

function gone(cause: unknown): ShoalError {
  return new ShoalError('source-gone', 'the stream to the peer ended', cause === undefined ? {} : { cause });
}
