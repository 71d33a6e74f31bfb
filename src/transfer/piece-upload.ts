import { setImmediate as immediate } from 'node:timers/promises';
import type { Stream } from '@libp2p/interface';
import { Uint8ArrayList } from 'uint8arraylist';
import { sendWithin } from '../swarm/framing.ts';
import { childController } from '../util/deadline.ts';
import { codeOf, ShoalError } from '../util/errors.ts';
import { type AskedPiece, PieceAnswerer } from './piece-answerer.ts';
import { encodeAnswer } from './piece-wire.ts';
import { locatePiece, type ServedPiece, type ServingParts } from './serving.ts';
import type { UploadSlots } from './upload-slots.ts';

/** With an upload limit, so little at a time that a slow line still shows life. */
const LIMITED_BYTES = 64 * 1024;
/** A peer that takes nothing for so long is gone, whatever its socket says. */
const DRAIN_MS = 30_000;

export interface PieceUploadParts extends ServingParts {
  readonly slots: UploadSlots;
  readonly onSent: (bytes: number) => void;
}

/** One stream of one peer, and what it asks for. */
export class PieceUpload {
  readonly #stream: Stream;
  readonly #peerId: string;
  readonly #parts: PieceUploadParts;
  readonly #answerer: PieceAnswerer;
  #sentBytes = 0;

  constructor(options: { readonly stream: Stream; readonly peerId: string }, parts: PieceUploadParts) {
    this.#stream = options.stream;
    this.#peerId = options.peerId;
    this.#parts = parts;
    this.#answerer = new PieceAnswerer({
      answer: (asked, signal) => this.#answer(asked, signal),
      send: (record, signal) => this.#send(record, signal),
    });
  }

  get sentBytes(): number {
    return this.#sentBytes;
  }

  get queuedPieces(): number {
    return this.#answerer.queued;
  }

  /** Until the peer has closed its end and been answered. @throws what ended the stream otherwise */
  async run(signal: AbortSignal): Promise<void> {
    const { controller, release } = childController(signal);
    const end = (error: unknown): void =>
      controller.abort(error ?? new ShoalError('source-gone', 'the stream was closed'));
    this.#stream.addEventListener('close', (event) => end(event.error));
    this.#stream.addEventListener('remoteCloseWrite', () => this.#answerer.remoteDone());
    this.#stream.addEventListener('message', (event) => {
      try {
        const { data } = event;
        for (const part of data instanceof Uint8Array ? [data] : data) this.#answerer.take(part);
      } catch (error) {
        end(error);
      }
    });
    try {
      await this.#answerer.run(controller.signal);
      await this.#stream.close({ signal: controller.signal });
    } finally {
      release();
    }
  }

  async #answer(request: AskedPiece, signal: AbortSignal): Promise<void> {
    const releaseSlot = await this.#parts.slots.take(this.#peerId, signal);
    try {
      let sent = 0;
      for (let attempt = 1; ; attempt += 1) {
        const piece = locatePiece(this.#parts.locate(request.sha256), request.index);
        const { path, stamp } = piece.file;
        try {
          await this.#sendPiece(request, piece, (bytes) => (sent += bytes), sent, signal);
          return;
        } catch (error) {
          if (codeOf(error) !== 'changed') throw error;
          if (stamp !== undefined) this.#parts.onChanged({ sha256: request.sha256, path });
          if (request.complete) return;
          // A partial that was installed meanwhile is the same blob under another name, and goes on where it was.
          const now = this.#parts.locate(request.sha256);
          if (attempt > 1 || now === undefined || now.path === path) throw error;
        }
      }
    } finally {
      releaseSlot();
    }
  }

  async #sendPiece(
    request: AskedPiece,
    piece: ServedPiece,
    onSent: (bytes: number) => void,
    skip: number,
    signal: AbortSignal,
  ): Promise<void> {
    const range = { offset: piece.offset + skip, length: piece.length - skip };
    const reading = this.#parts.plane.read(piece.file, range);
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

  async #sendSlice(request: AskedPiece, slice: Uint8Array, isLast: boolean, signal: AbortSignal): Promise<void> {
    const { limiter } = this.#parts;
    const step = limiter.bytesPerSecond === Infinity ? slice.length : LIMITED_BYTES;
    for (let at = 0; at < slice.length; at += step) {
      const bytes = slice.subarray(at, at + step);
      await limiter.take(bytes.length, signal);
      signal.throwIfAborted();
      const record = encodeAnswer({ kind: 'data', id: request.id, bytes: bytes.length });
      const sending = this.#send(new Uint8ArrayList(record, bytes), signal);
      // The stream has them already; what is waited for is only that it has room again.
      request.complete = isLast && at + bytes.length === slice.length;
      await sending;
      this.#sentBytes += bytes.length;
      this.#parts.onSent(bytes.length);
    }
  }

  async #send(message: Uint8Array | Uint8ArrayList, signal: AbortSignal): Promise<void> {
    await sendWithin(this.#stream, message, { drainMs: DRAIN_MS }, signal);
  }
}
