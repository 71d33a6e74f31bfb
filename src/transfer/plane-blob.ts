import { ShoalError } from '../util/errors.ts';
import type { BufferPool } from './buffer-pool.ts';
import { cancellable } from './cancellable.ts';
import type { Landing, PieceOrder, ResultOf, TaskFact, TaskOrder } from './data-orders.ts';
import { IncomingPiece } from './incoming-piece.ts';
import type { BlobTarget, Piece } from './piece-source.ts';
import type { Task, WorkerThread } from './worker-thread.ts';
import type { WriteGate } from './write-gate.ts';

/** Tasks whose worker brings the bytes by itself. */
export type FetchTaskKind = 'fetch-http' | 'fetch-file' | 'read-file' | 'fetch-lane';
export type PieceTaskKind = 'receive' | FetchTaskKind;
export type PieceTaskOrder<K extends PieceTaskKind> = Extract<TaskOrder, { kind: K }>;

interface Writer {
  readonly gate: WriteGate;
}

/**
 * One blob that is being fetched. Several sources may bring the same piece at once (endgame, or one that was given up
 * but still runs); this is where it is decided who may write it. The invariants: at most one task writes a piece in
 * place; a piece in the have log is never written again. Whether a writer came so far its gate tells, not the end of its
 * task: that may still be on its way when the piece is given up.
 */
export class PlaneBlob {
  readonly id: number;
  readonly target: BlobTarget;
  /** Who writes a piece in place. */
  readonly #writers = new Map<number, Writer>();
  /** Everybody who may still write anything. */
  readonly #gates = new Set<WriteGate>();
  readonly #verified = new Set<number>();
  readonly #commits = new Map<number, Promise<unknown>>();

  constructor(options: { readonly id: number; readonly target: BlobTarget }) {
    this.id = options.id;
    this.target = options.target;
  }

  /** A piece whose bytes come through the main thread. */
  receive(piece: Piece, thread: WorkerThread, pool: BufferPool, signal: AbortSignal): IncomingPiece {
    const { task, ended } = this.#begin<'receive'>(piece, thread, (order) => ({ kind: 'receive', ...order }), [signal]);
    return new IncomingPiece({ length: piece.length, ended }, { task, pool });
  }

  /** A piece that the worker fetches by itself. */
  async fetch<K extends FetchTaskKind>(
    piece: Piece,
    thread: WorkerThread,
    options: {
      readonly order: (order: PieceOrder) => PieceTaskOrder<K>;
      readonly onBytes: (bytes: number) => void;
    },
    ...signals: readonly AbortSignal[]
  ): Promise<ResultOf<K>> {
    let toldBytes = 0;
    const onBytes = (bytes: number): void => {
      toldBytes += bytes;
      options.onBytes(bytes);
    };
    const result = await this.#begin<K>(piece, thread, options.order, signals, onBytes).ended;
    if (toldBytes < piece.length) options.onBytes(piece.length - toldBytes);
    return result;
  }

  /** Resolves when nothing can be written any more. */
  async close(): Promise<void> {
    await Promise.all([...this.#gates].map((gate) => gate.close()));
  }

  #begin<K extends PieceTaskKind>(
    piece: Piece,
    thread: WorkerThread,
    makeOrder: (order: PieceOrder) => PieceTaskOrder<K>,
    signals: readonly AbortSignal[],
    onBytes?: (bytes: number) => void,
  ): { task: Task<K>; ended: Promise<ResultOf<K>> } {
    for (const signal of signals) signal.throwIfAborted();
    thread.openBlob(this.id, this.target.partial);
    const writer = this.#writer(thread);
    const landing: Landing = this.#writers.has(piece.index) || this.#verified.has(piece.index) ? 'scratch' : 'in-place';
    if (landing === 'in-place') this.#writers.set(piece.index, writer);
    const { index, offset, length } = piece;
    // As text: to post a view is to copy the whole buffer behind it, which holds the hashes of all pieces.
    const asked = { index, offset, length, hash: Buffer.from(piece.hash).toString('hex') };
    const order: PieceOrder = { blob: this.id, piece: asked, landing, gate: writer.gate.key };
    const onFact = (fact: TaskFact): void => {
      if (fact.kind === 'progress') onBytes?.(fact.bytes);
      else if (fact.kind === 'held') this.#queueCommit(piece.index, task, thread);
    };
    const task = thread.start<K>(makeOrder(order), onFact);
    const ended = this.#landed(piece.index, { task, writer }, signals);
    return { task, ended };
  }

  async #landed<K extends PieceTaskKind>(
    index: number,
    { task, writer }: { readonly task: Task<K>; readonly writer: Writer },
    signals: readonly AbortSignal[],
  ): Promise<ResultOf<K>> {
    try {
      const result = await cancellable(task, ...signals);
      await this.#commits.get(index);
      if (!result.written && !this.#verified.has(index)) {
        throw new ShoalError('source-gone', 'the piece arrived twice, and neither copy could be written');
      }
      return result;
    } catch (error) {
      task.cancel();
      throw error;
    } finally {
      await this.#release(index, writer);
    }
  }

  /** A copy in scratch is verified: it goes into place if no other is there by then. */
  #queueCommit(index: number, task: Task<PieceTaskKind>, thread: WorkerThread): void {
    const before = this.#commits.get(index);
    const commit = (async () => {
      await before;
      const writer = this.#writer(thread);
      const other = this.#writers.get(index);
      this.#writers.set(index, writer);
      if (other !== undefined) await this.#close(index, other);
      // A closed gate lets the worker end the task without writing.
      if (this.#verified.has(index)) await writer.gate.close();
      task.control({ kind: 'commit', gate: writer.gate.key });
      try {
        await task.ended;
      } catch {
        // The one who asked for the piece learns of it.
      } finally {
        await this.#release(index, writer);
      }
    })();
    this.#commits.set(index, commit);
    void commit.then(() => {
      if (this.#commits.get(index) === commit) this.#commits.delete(index);
    });
  }

  #writer(thread: WorkerThread): Writer {
    const gate = thread.openGate();
    this.#gates.add(gate);
    return { gate };
  }

  async #release(index: number, writer: Writer): Promise<void> {
    await this.#close(index, writer);
    this.#gates.delete(writer.gate);
    if (this.#writers.get(index) === writer) this.#writers.delete(index);
  }

  async #close(index: number, { gate }: Writer): Promise<void> {
    await gate.close();
    if (gate.finished) this.#verified.add(index);
  }
}
