import { childController } from '../util/deadline.ts';
import { codeOf, type ErrorCode, ShoalError } from '../util/errors.ts';
import {
  decodeRequest,
  encodeAnswer,
  type PieceRequest,
  REQUEST_BYTES,
  RecordReader,
  type Refusal,
} from './piece-wire.ts';

/** An honest client keeps 16 in flight, and some more that it has cancelled. */
const MAX_QUEUED = 64;

/** One piece that the other side has asked for and not got yet. */
export interface AskedPiece {
  readonly id: number;
  readonly sha256: string;
  readonly index: number;
  /** Fires when it is not wanted any more. */
  readonly cancelled: AbortSignal;
  /** To be set when the whole piece is on its way: the asker counts its bytes, so nothing may follow. */
  complete: boolean;
}

export interface PieceAnswererOptions {
  /** Sends a piece's bytes. What it throws is told to the asker as a refusal where there is one for it. */
  readonly answer: (asked: AskedPiece, signal: AbortSignal) => Promise<void>;
  /** Sends one record. */
  readonly send: (record: Uint8Array, signal: AbortSignal) => Promise<void>;
  /** A piece has been asked for; its turn comes after those before it. */
  readonly onAsked?: (asked: AskedPiece) => void;
}

/** The giving end of the piece protocol, whatever carries it: requests are answered one after the other, in order. */
export class PieceAnswerer {
  readonly #options: PieceAnswererOptions;
  readonly #queue: { readonly asked: AskedPiece; readonly controller: AbortController }[] = [];
  readonly #requests = new RecordReader(REQUEST_BYTES);
  #wake: (() => void) | undefined;
  #remoteDone = false;

  constructor(options: PieceAnswererOptions) {
    this.#options = options;
  }

  get queued(): number {
    return this.#queue.length;
  }

  /** The next ones in turn, the one that is being answered first. */
  waiting(count: number): AskedPiece[] {
    return this.#queue.slice(0, count).map(({ asked }) => asked);
  }

  /** What the peer sends. @throws ShoalError `source-lied` */
  take(bytes: Uint8Array): void {
    for (let rest = bytes; rest.length > 0; ) {
      const { taken, record } = this.#requests.read(rest);
      rest = rest.subarray(taken);
      if (record !== undefined) this.#request(decodeRequest(record));
    }
  }

  /** The peer asks for nothing more; `run` ends when it has been answered. */
  remoteDone(): void {
    this.#remoteDone = true;
    this.#wake?.();
  }

  /** Until the peer is done and answered. @throws what ended the line otherwise */
  async run(signal: AbortSignal): Promise<void> {
    const onAbort = (): void => this.#wake?.();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      for (;;) {
        signal.throwIfAborted();
        const next = this.#queue[0];
        if (next !== undefined) await this.#answer(next, signal);
        else if (this.#remoteDone) return;
        else await this.#something();
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
      for (const { controller } of this.#queue) controller.abort(cancelled());
    }
  }

  #request(request: PieceRequest): void {
    if (request.kind === 'cancel') {
      this.#queue.find(({ asked }) => asked.id === request.id)?.controller.abort(cancelled());
      return;
    }
    if (this.#queue.length >= MAX_QUEUED) throw new ShoalError('source-lied', 'more requests than a line may have');
    const { id, sha256, index } = request;
    const controller = new AbortController();
    const asked: AskedPiece = { id, sha256, index, cancelled: controller.signal, complete: false };
    this.#queue.push({ asked, controller });
    this.#options.onAsked?.(asked);
    this.#wake?.();
  }

  async #answer({ asked }: { readonly asked: AskedPiece }, signal: AbortSignal): Promise<void> {
    const { controller, release } = childController(signal);
    const onCancel = (): void => controller.abort(asked.cancelled.reason);
    asked.cancelled.addEventListener('abort', onCancel, { once: true });
    if (asked.cancelled.aborted) onCancel();
    try {
      controller.signal.throwIfAborted();
      await this.#options.answer(asked, controller.signal);
    } catch (error) {
      signal.throwIfAborted();
      const refusal = refusalOf(error);
      if (refusal === undefined) throw error;
      // Cancelled, or found changed, after its last byte: an answer now would be one out of turn.
      if (!asked.complete) await this.#options.send(encodeAnswer({ kind: refusal, id: asked.id, bytes: 0 }), signal);
    } finally {
      release();
      this.#queue.shift();
    }
  }

  async #something(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
  }
}

const REFUSALS: Partial<Record<ErrorCode, Refusal>> = {
  'not-found': 'not-held',
  changed: 'changed',
  'source-busy': 'busy',
};

function refusalOf(error: unknown): Refusal | undefined {
  return error instanceof Error && error.name === 'AbortError' ? 'cancelled' : REFUSALS[codeOf(error)];
}

function cancelled(): DOMException {
  return new DOMException('cancelled', 'AbortError');
}
