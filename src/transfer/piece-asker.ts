import { ShoalError } from '../util/errors.ts';
import {
  ANSWER_BYTES,
  decodeAnswer,
  encodeRequest,
  type PieceAnswer,
  type PieceRequest,
  RecordReader,
  type Refusal,
} from './piece-wire.ts';

/** A server that was told to stop sends what is under way and says so; one that does neither holds up the others. */
const CANCEL_MS = 5000;

/** Where the bytes of one requested piece go. Exactly one of `refused` and `lost` is called, or all bytes come. */
export interface PieceReceiver {
  /** The bytes are valid during the call only. */
  write(bytes: Uint8Array): void;
  /** Where up to so many of the next bytes may be put before they are written, which saves copying them. */
  place?(length: number): Uint8Array;
  refused(refusal: Refusal): void;
  lost(error: ShoalError): void;
}

interface Pending {
  readonly id: number;
  readonly receiver: PieceReceiver;
  readonly length: number;
  missing: number;
  cancelled: boolean;
  cancelledMs: number;
}

export interface PieceAskerOptions {
  /** Called for each request; what it throws ends the conversation. */
  readonly send: (request: Uint8Array) => void;
  /** Called once, before anybody who waits learns of it: the line can carry no more requests. */
  readonly onEnd: (error: ShoalError) => void;
}

/**
 * The asking end of the piece protocol, whatever carries it: many requests on one line, answered in order. The peer is
 * believed nothing: every byte must belong to the oldest request and fit it, or the line ends with `source-lied`.
 */
export class PieceAsker {
  readonly #options: PieceAskerOptions;
  readonly #records = new RecordReader(ANSWER_BYTES);
  readonly #pending: Pending[] = [];
  #nextId = 1;
  #heardMs = -Infinity;
  #data: { readonly entry: Pending; left: number } | undefined;
  #cancelTimer: NodeJS.Timeout | undefined;
  #ended: ShoalError | undefined;
  #untold = false;

  constructor(options: PieceAskerOptions) {
    this.#options = options;
  }

  get ended(): ShoalError | undefined {
    return this.#ended;
  }

  /** Something that was asked for has neither come nor been refused. */
  get busy(): boolean {
    return this.#pending.length > 0;
  }

  /** The next byte belongs to a piece that somebody still waits for. */
  get receiving(): boolean {
    return this.#data?.entry.cancelled === false;
  }

  /** The oldest request, and whether its bytes have begun to come. */
  get oldest(): { readonly id: number; readonly begun: boolean } | undefined {
    const entry = this.#pending[0];
    if (entry === undefined) return undefined;
    return { id: entry.id, begun: entry.missing < entry.length };
  }

  /** How long the oldest request has been given up without a word from the peer; 0 when it is still wanted. */
  get givenUpMs(): number {
    const entry = this.#pending[0];
    return entry?.cancelled === true ? performance.now() - Math.max(entry.cancelledMs, this.#heardMs) : 0;
  }

  /** @throws ShoalError why the line ended, if it has; a breach that no request stands for only the first time */
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
    const entry: Pending = { id, receiver, length, missing: length, cancelled: false, cancelledMs: 0 };
    this.#pending.push(entry);
    this.#send({ kind: 'get', id, sha256: piece.sha256, index: piece.index });
    return { cancel: () => this.#cancel(entry) };
  }

  /** Where the next bytes may be put before they are taken; undefined where it makes no difference. */
  place(): Uint8Array | undefined {
    const data = this.#data;
    return data === undefined || data.entry.cancelled ? undefined : data.entry.receiver.place?.(data.left);
  }

  /**
   * Takes bytes from the front, up to the end of a record or of its bytes, and returns how many.
   * @throws ShoalError `source-lied`; whoever calls then ends the line with it
   */
  take(bytes: Uint8Array): number {
    this.#heardMs = performance.now();
    if (this.#data !== undefined) return this.#takeData(this.#data, bytes);
    const { taken, record } = this.#records.read(bytes);
    if (record !== undefined) this.#answer(decodeAnswer(record));
    return taken;
  }

  end(error: ShoalError): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    clearTimeout(this.#cancelTimer);
    this.#data = undefined;
    this.#options.onEnd(error);
    const [head, ...others] = this.#pending.splice(0);
    if (head?.cancelled === false) head.receiver.lost(error);
    else this.#untold = true;
    for (const entry of others) if (!entry.cancelled) entry.receiver.lost(innocent(error));
  }

  #send(request: PieceRequest): void {
    try {
      this.#options.send(encodeRequest(request));
    } catch (error) {
      this.end(gone(error));
    }
  }

  #cancel(entry: Pending): void {
    if (entry.cancelled || !this.#pending.includes(entry)) return;
    entry.cancelled = true;
    entry.cancelledMs = performance.now();
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
      else this.end(new ShoalError('source-stalled', 'the peer neither sends nor stops'));
    }, CANCEL_MS).unref();
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

  #takeData(data: { readonly entry: Pending; left: number }, bytes: Uint8Array): number {
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
}

/** The breach was in the answer to the oldest request; the others only lost their line. */
function innocent(error: ShoalError): ShoalError {
  if (error.code !== 'source-lied') return error;
  return new ShoalError('source-gone', 'the line ended because of another piece', { cause: error });
}

export function gone(cause: unknown): ShoalError {
  return new ShoalError('source-gone', 'the line to the peer ended', cause === undefined ? {} : { cause });
}
