import type { Socket } from 'node:net';
import { childController } from '../../../util/deadline.ts';
import { codeOf, ShoalError } from '../../../util/errors.ts';
import type { TaskFact, UploadTurn } from '../../data-orders.ts';
import { type AskedPiece, PieceAnswerer } from '../../piece-answerer.ts';
import type { Doze } from '../doze.ts';
import type { FdCache } from '../fd-cache.ts';
import type { Questions } from '../questions.ts';
import { ServedReading } from '../served-reading.ts';
import { SLICE_BYTES, type Slice, type SlicePool } from './slice-pool.ts';

/** With an upload limit, so little at a time that a slow line still shows life. */
const LIMITED_BYTES = 64 * 1024;
/** Written and not yet with the kernel: one is sent while the next is read. */
const MAX_UNSENT = 2;
/** Turns asked for before the ones ahead are done, so that the main thread's answer is never waited for. */
const TURNS_AHEAD = 2;
/** A peer that takes nothing for so long is gone, whatever its socket says. */
const DRAIN_MS = 30_000;

export interface LaneUploadParts {
  readonly questions: Questions;
  readonly files: FdCache;
  readonly slices: SlicePool;
  readonly doze: Doze;
  /** At leisure: the next turn is asked for in the same message. */
  readonly tell: (fact: TaskFact) => void;
}

/** One lane of one peer: disk → socket, without a copy that the socket does not make itself. */
export class LaneUpload {
  readonly #socket: Socket;
  readonly #peerId: string;
  readonly #parts: LaneUploadParts;
  readonly #answerer: PieceAnswerer;
  readonly #turns = new Map<AskedPiece, Promise<UploadTurn>>();
  #unsent = 0;
  #sent: (() => void) | undefined;

  constructor(options: { readonly socket: Socket; readonly peerId: string }, parts: LaneUploadParts) {
    this.#socket = options.socket;
    this.#peerId = options.peerId;
    this.#parts = parts;
    this.#answerer = new PieceAnswerer({
      answer: (asked, signal) => this.#answer(asked, signal),
      send: (record) => Promise.resolve(void this.#socket.write(record)),
      onAsked: (asked) => this.#askAhead(asked),
    });
  }

  /** Until the peer ends its side or the lane breaks. */
  async run(signal: AbortSignal): Promise<void> {
    const { controller, release } = childController(signal);
    const socket = this.#socket;
    const end = (error: unknown): void => {
      controller.abort(error ?? new ShoalError('source-gone', 'the lane was closed'));
      this.#sent?.();
    };
    socket.on('error', end);
    socket.on('close', () => end(undefined));
    socket.on('end', () => this.#answerer.remoteDone());
    socket.on('data', (bytes: Uint8Array) => {
      try {
        this.#answerer.take(bytes);
      } catch (error) {
        end(error);
      }
    });
    try {
      await this.#answerer.run(controller.signal);
      socket.end();
    } finally {
      release();
      for (const asked of this.#turns.keys()) this.#giveBack(asked);
    }
  }

  #askAhead(asked: AskedPiece): void {
    if (this.#turns.size >= TURNS_AHEAD) return;
    this.#turns.set(asked, this.#ask(asked));
    asked.cancelled.addEventListener('abort', () => this.#giveBack(asked), { once: true });
  }

  #ask({ sha256, index }: AskedPiece): Promise<UploadTurn> {
    const question = { kind: 'upload-turn', peerId: this.#peerId, sha256, index } as const;
    const turn = this.#parts.questions.ask<'upload-turn'>(question);
    // Looked at when its piece is next; a refusal meanwhile is no error.
    turn.catch(() => undefined);
    return turn;
  }

  /** A turn that will not be used. */
  #giveBack(asked: AskedPiece): void {
    const turn = this.#turns.get(asked);
    this.#turns.delete(asked);
    void turn?.then(
      ({ turn: number }) => this.#ended(number, 0, false),
      () => undefined,
    );
  }

  #ended(turn: number, bytes: number, changed: boolean): void {
    this.#parts.tell({ kind: 'upload-ended', turn, bytes, changed });
  }

  async #answer(asked: AskedPiece, signal: AbortSignal): Promise<void> {
    let sent = 0;
    let before: string | undefined;
    for (;;) {
      const turn = await this.#turnOf(asked);
      const sentBefore = sent;
      let changed = false;
      try {
        // A partial that was installed meanwhile is the same blob under another name, and goes on where it was.
        if (turn.file.path === before) throw new ShoalError('changed', 'the file is not what it was');
        await this.#sendPiece(asked, turn, sent, (bytes) => (sent += bytes), signal);
        return;
      } catch (error) {
        if (codeOf(error) !== 'changed' || turn.file.path === before) throw error;
        changed = turn.file.stamp !== undefined;
        before = turn.file.path;
      } finally {
        this.#ended(turn.turn, sent - sentBefore, changed);
      }
    }
  }

  #turnOf(asked: AskedPiece): Promise<UploadTurn> {
    const turn = this.#turns.get(asked) ?? this.#ask(asked);
    this.#turns.delete(asked);
    for (const next of this.#answerer.waiting(TURNS_AHEAD)) {
      if (next !== asked && !this.#turns.has(next)) this.#askAhead(next);
    }
    return turn;
  }

  async #sendPiece(
    asked: AskedPiece,
    turn: UploadTurn,
    skip: number,
    onSent: (bytes: number) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const { questions, files, slices } = this.#parts;
    using reading = new ServedReading(turn.file, files);
    const sliceBytes = turn.limited ? LIMITED_BYTES : SLICE_BYTES;
    for (let at = skip; at < turn.length; ) {
      const length = Math.min(sliceBytes, turn.length - at);
      if (turn.limited) await questions.ask<'upload-bytes'>({ kind: 'upload-bytes', bytes: length });
      await this.#room();
      signal.throwIfAborted();
      const slice = slices.take();
      try {
        reading.read(slice.data(length), turn.offset + at);
      } catch (error) {
        slices.giveBack(slice);
        throw error;
      }
      at += length;
      asked.complete = at === turn.length;
      this.#write(slice, slice.answer(asked.id, length));
      onSent(length);
    }
  }

  #write(slice: Slice, bytes: Uint8Array): void {
    this.#unsent += 1;
    this.#socket.write(bytes, () => {
      this.#unsent -= 1;
      this.#parts.doze.sent();
      this.#parts.slices.giveBack(slice);
      this.#sent?.();
    });
  }

  /** @throws ShoalError `source-gone` when the peer takes nothing any more */
  async #room(): Promise<void> {
    while (this.#unsent >= MAX_UNSENT && !this.#socket.destroyed) {
      const timer = setTimeout(() => {
        this.#socket.destroy(new ShoalError('source-gone', 'the peer takes nothing any more'));
      }, DRAIN_MS);
      await new Promise<void>((resolve) => {
        this.#sent = resolve;
      });
      this.#sent = undefined;
      clearTimeout(timer);
    }
  }
}
