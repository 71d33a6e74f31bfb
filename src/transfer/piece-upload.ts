import { setImmediate as immediate } from 'node:timers/promises';
import type { Stream } from '@libp2p/interface';
import { Uint8ArrayList } from 'uint8arraylist';
import { geometryOf, pieceLength, pieceOffset } from '../content/piece-geometry.ts';
import { sendAll } from '../swarm/framing.ts';
import { childController, withDeadline } from '../util/deadline.ts';
import { codeOf, type ErrorCode, ShoalError } from '../util/errors.ts';
import {
  decodeRequest,
  encodeAnswer,
  type PieceAnswer,
  type PieceRequest,
  REQUEST_BYTES,
  RecordReader,
  type Refusal,
} from './piece-wire.ts';
import type { ServedBlob, ServingParts } from './serving.ts';
import type { UploadSlots } from './upload-slots.ts';

/** An honest client keeps 16 in flight, and some more that it has cancelled. */
const MAX_QUEUED = 64;
/** With an upload limit, so little at a time that a slow line still shows life. */
const LIMITED_BYTES = 64 * 1024;
/** A peer that takes nothing for so long is gone, whatever its socket says. */
const DRAIN_MS = 30_000;

interface Queued {
  readonly id: number;
  readonly sha256: string;
  readonly index: number;
  readonly cancel: AbortController;
  /** The whole piece is in the stream: the asker counts its bytes, so nothing may follow. */
  complete: boolean;
}

export interface PieceUploadParts extends ServingParts {
  readonly slots: UploadSlots;
  readonly onSent: (bytes: number) => void;
}

/** One stream of one peer: its requests are answered one after the other, in order. */
export class PieceUpload {
  readonly #stream: Stream;
  readonly #parts: PieceUploadParts;
  readonly #queue: Queued[] = [];
  readonly #requests = new RecordReader(REQUEST_BYTES);
  #sentBytes = 0;
  #wake: (() => void) | undefined;
  #remoteDone = false;

  constructor(options: { readonly stream: Stream; readonly peerId: string }, parts: PieceUploadParts) {
    this.#stream = options.stream;
    this.#parts = parts;
  }

  get sentBytes(): number {
    return this.#sentBytes;
  }

  get queuedPieces(): number {
    return this.#queue.length;
  }

  /** Until the peer has closed its end and been answered. @throws what ended the stream otherwise */
  async run(signal: AbortSignal): Promise<void> {
    const { controller, release } = childController(signal);
    const end = (error: unknown): void => {
      controller.abort(error ?? new ShoalError('source-gone', 'the stream was closed'));
      this.#wake?.();
    };
    this.#stream.addEventListener('close', (event) => end(event.error));
    this.#stream.addEventListener('remoteCloseWrite', () => {
      this.#remoteDone = true;
      this.#wake?.();
    });
    controller.signal.addEventListener('abort', () => this.#wake?.(), { once: true });
    this.#stream.addEventListener('message', (event) => {
      try {
        const { data } = event;
        for (const part of data instanceof Uint8Array ? [data] : data) this.#take(part);
      } catch (error) {
        end(error);
      }
    });
    try {
      await this.#answerAll(controller.signal);
      await this.#stream.close({ signal: controller.signal });
    } finally {
      for (const { cancel } of this.#queue) cancel.abort();
      release();
    }
  }

  #take(bytes: Uint8Array): void {
    for (let rest = bytes; rest.length > 0; ) {
      const { taken, record } = this.#requests.read(rest);
      rest = rest.subarray(taken);
      if (record !== undefined) this.#request(decodeRequest(record));
    }
  }

  #request(request: PieceRequest): void {
    if (request.kind === 'cancel') {
      this.#queue.find(({ id }) => id === request.id)?.cancel.abort(new DOMException('cancelled', 'AbortError'));
      return;
    }
    if (this.#queue.length >= MAX_QUEUED) throw new ShoalError('source-lied', 'more requests than a stream may have');
    const { id, sha256, index } = request;
    this.#queue.push({ id, sha256, index, cancel: new AbortController(), complete: false });
    this.#wake?.();
  }

  async #answerAll(signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      const next = this.#queue[0];
      if (next !== undefined) {
        const { controller, release } = childController(signal);
        next.cancel.signal.addEventListener('abort', () => controller.abort(next.cancel.signal.reason), { once: true });
        if (next.cancel.signal.aborted) controller.abort(next.cancel.signal.reason);
        try {
          await this.#answer(next, controller.signal);
        } catch (error) {
          signal.throwIfAborted();
          // Cancelled, or found changed, after its last byte: an answer now would be one out of turn.
          if (!next.complete || refusalOf(error) === undefined) await this.#refuse(next, error, signal);
        } finally {
          release();
          this.#queue.shift();
        }
      } else if (this.#remoteDone) return;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        this.#wake = undefined;
      }
    }
  }

  async #answer(request: Queued, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const releaseSlot = await this.#parts.slots.take(signal);
    try {
      let sent = 0;
      for (let attempt = 1; ; attempt += 1) {
        const blob = this.#locate(request);
        try {
          await this.#sendPiece(request, blob, (bytes) => (sent += bytes), sent, signal);
          return;
        } catch (error) {
          if (codeOf(error) !== 'changed') throw error;
          if (blob.kind === 'file') this.#parts.onChanged({ sha256: request.sha256, path: blob.path });
          if (request.complete) return;
          // A partial that was installed meanwhile is the same blob under another name, and goes on where it was.
          const now = this.#parts.locate(request.sha256);
          if (attempt > 1 || now === undefined || now.path === blob.path) throw error;
        }
      }
    } finally {
      releaseSlot();
    }
  }

  #locate({ sha256, index }: Queued): ServedBlob {
    const blob = this.#parts.locate(sha256);
    if (blob === undefined) throw new ShoalError('not-found', 'the blob is not here');
    const inside = index < geometryOf(sizeOf(blob)).pieceCount;
    if (!inside || (blob.kind === 'partial' && !blob.have.has(index))) {
      throw new ShoalError('not-found', 'the piece is not here');
    }
    return blob;
  }

  async #sendPiece(
    request: Queued,
    blob: ServedBlob,
    onSent: (bytes: number) => void,
    skip: number,
    signal: AbortSignal,
  ): Promise<void> {
    const { index } = request;
    const geometry = geometryOf(sizeOf(blob));
    const range = { offset: pieceOffset(geometry, index) + skip, length: pieceLength(geometry, index) - skip };
    const file = { path: blob.path, stamp: blob.kind === 'file' ? blob.stamp : undefined };
    const reading = this.#parts.plane.read(file, range);
    let missing = range.length;
    try {
      for (let slice = await reading.next(signal); slice !== undefined; slice = await reading.next(signal)) {
        missing -= slice.length;
        await this.#sendSlice(request, slice, missing === 0, signal);
        onSent(slice.length);
        // Encrypting a slice takes a millisecond: whatever else waits for this thread comes in between.
        await immediate();
      }
    } finally {
      reading.cancel();
    }
  }

  async #sendSlice(request: Queued, slice: Uint8Array, isLast: boolean, signal: AbortSignal): Promise<void> {
    const { limiter } = this.#parts;
    const step = limiter.bytesPerSecond === Infinity ? slice.length : LIMITED_BYTES;
    for (let at = 0; at < slice.length; at += step) {
      const bytes = slice.subarray(at, at + step);
      await limiter.take(bytes.length, signal);
      signal.throwIfAborted();
      const sending = this.#send({ kind: 'data', id: request.id, bytes: bytes.length }, bytes, signal);
      // The stream has them already; what is waited for is only that it has room again.
      request.complete = isLast && at + bytes.length === slice.length;
      await sending;
      this.#sentBytes += bytes.length;
      this.#parts.onSent(bytes.length);
    }
  }

  async #refuse({ id }: Queued, error: unknown, signal: AbortSignal): Promise<void> {
    const kind = refusalOf(error);
    if (kind === undefined) throw error;
    await this.#send({ kind, id, bytes: 0 }, undefined, signal);
  }

  async #send(answer: PieceAnswer, bytes: Uint8Array | undefined, signal: AbortSignal): Promise<void> {
    const record = encodeAnswer(answer);
    const message = bytes === undefined ? record : new Uint8ArrayList(record, bytes);
    await withDeadline(DRAIN_MS, (deadline) => sendAll(this.#stream, message, deadline), signal);
  }
}

function sizeOf(blob: ServedBlob): number {
  return blob.kind === 'file' ? blob.stamp.sizeBytes : blob.sizeBytes;
}

const REFUSALS: Partial<Record<ErrorCode, Refusal>> = {
  'not-found': 'not-held',
  changed: 'changed',
  'source-busy': 'busy',
};

function refusalOf(error: unknown): Refusal | undefined {
  return error instanceof Error && error.name === 'AbortError' ? 'cancelled' : REFUSALS[codeOf(error)];
}
