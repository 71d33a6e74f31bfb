import { Bitfield } from '../content/bitfield.ts';
import { geometryOf } from '../content/piece-geometry.ts';
import { claimsPieces } from '../store/partial-file.ts';
import { ShoalError } from '../util/errors.ts';
import type { Log } from '../util/log.ts';
import { BufferPool } from './buffer-pool.ts';
import { cancellable } from './cancellable.ts';
import type { LaneCredentials, Question, ServedFile } from './data-orders.ts';
import { FileReading, READ_AHEAD_SLICES } from './file-reading.ts';
import type { IncomingPiece } from './incoming-piece.ts';
import type { BlobTarget, Piece } from './piece-source.ts';
import { PlaneBlob } from './plane-blob.ts';
import { PrefixHash } from './prefix-hash.ts';
import { WorkerThread } from './worker-thread.ts';
import { GateTable } from './write-gate.ts';

export interface DataPlaneOptions {
  /** Workers that bytes are spread over; more than there are cores only cost memory. */
  readonly workers: number;
  readonly blake3?: 'native' | 'wasm';
  /** Without them there are no lanes. */
  readonly lane?: LaneCredentials;
}

/** What only the main thread knows, for workers that ask. @throws ShoalError, which reaches the worker */
export type Answering = (question: Question, thread: WorkerThread) => Promise<unknown>;

/** A blob that is open for writing; `close` when its source is closed. */
export interface OpenBlob {
  readonly blob: PlaneBlob;
  receive(piece: Piece, signal: AbortSignal): IncomingPiece;
  close(): Promise<void>;
}

/**
 * Where bytes are moved, hashed, written and read: worker threads that take orders and tell facts. The main thread
 * touches bytes only to carry them between a libp2p stream and a worker. Work that may take seconds (hashing a whole
 * file) has a thread of its own, and so has each mounted origin, whose system calls may hang.
 */
export class DataPlane implements AsyncDisposable {
  readonly pool = new BufferPool();
  readonly #gates = new GateTable();
  readonly #log: Log;
  readonly #blake3: 'native' | 'wasm';
  readonly #lane: LaneCredentials | undefined;
  readonly #movers: readonly WorkerThread[];
  readonly #checker: WorkerThread;
  readonly #dedicated: WorkerThread[] = [];
  readonly #blobs = new Map<string, { readonly blob: PlaneBlob; users: number }>();
  #nextBlob = 1;
  #turn = 0;
  #hung = false;
  #answering: Answering = () => Promise.reject(new ShoalError('not-found', 'nobody answers that here'));

  constructor(options: DataPlaneOptions, parts: { readonly log: Log }) {
    this.#log = parts.log;
    this.#blake3 = options.blake3 ?? 'native';
    this.#lane = options.lane;
    const count = Math.max(1, Math.floor(options.workers));
    this.#movers = Array.from({ length: count }, (_, n) => this.#thread(`data-${n + 1}`));
    this.#checker = this.#thread('data-check');
  }

  /**
   * After the closing: a system call on a dead mount still holds a thread, and a process waits for all its threads when
   * it exits. It has to end itself by a signal then.
   */
  get hung(): boolean {
    return this.#hung;
  }

  /** The workers that bytes are spread over. */
  get movers(): readonly WorkerThread[] {
    return this.#movers;
  }

  get hasLane(): boolean {
    return this.#lane !== undefined;
  }

  /** From now on workers' questions go here. */
  answerWith(answering: Answering): void {
    this.#answering = answering;
  }

  /** The sources of one blob share it, so that what one of them has brought is not overwritten by another. */
  openBlob(target: BlobTarget): OpenBlob {
    const key = `${target.sha256} ${target.partial.dir}`;
    let entry = this.#blobs.get(key);
    if (entry === undefined) {
      entry = { blob: new PlaneBlob({ id: this.#nextBlob, target }), users: 0 };
      this.#nextBlob += 1;
      this.#blobs.set(key, entry);
    }
    const { blob } = entry;
    entry.users += 1;
    let open = true;
    return {
      blob,
      receive: (piece, signal) => blob.receive(piece, this.mover(), this.pool, signal),
      close: async () => {
        if (!open) return;
        open = false;
        await this.#leave(key);
      },
    };
  }

  /** The worker that has least to do; of equals each in turn, for what stays with the worker it was given. */
  mover(): WorkerThread {
    this.#turn += 1;
    const from = this.#turn % this.#movers.length;
    const inTurn = [...this.#movers.slice(from), ...this.#movers.slice(0, from)];
    return inTurn.reduce((best, thread) => (thread.load < best.load ? thread : best));
  }

  /** A thread of its own, for a mount whose calls may hang. */
  dedicate(name: string): WorkerThread {
    const thread = this.#thread(name);
    this.#dedicated.push(thread);
    return thread;
  }

  /** Reads a piece to serve it. The caller takes slices until undefined, or cancels. */
  read(file: ServedFile, range: { readonly offset: number; readonly length: number }): FileReading {
    const reading = new FileReading();
    const order = { kind: 'read', file, ...range, slices: READ_AHEAD_SLICES } as const;
    return reading.follow(this.mover().start<'read'>(order, reading.onFact));
  }

  /** Which pieces of a partial really are there, by hash. */
  async recheck(target: BlobTarget, signal: AbortSignal): Promise<Bitfield> {
    const { partial, manifest } = target;
    const { pieceCount } = geometryOf(manifest.sizeBytes);
    // A new one needs no thread to be started for it.
    if (!(await claimsPieces(partial.dir, partial.sha256))) return new Bitfield(pieceCount);
    const task = this.#checker.start<'recheck'>({ kind: 'recheck', partial, manifest });
    const { bitfield } = await cancellable(task, signal);
    return Bitfield.fromBytes(bitfield, pieceCount);
  }

  /** The sha256 of a partial, as far as it has come and on as it grows. */
  hashPrefix(file: { readonly path: string; readonly sizeBytes: number; readonly have: Bitfield }): PrefixHash {
    return new PrefixHash(file, { thread: this.#checker });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const threads = [...this.#movers, this.#checker, ...this.#dedicated];
    const ended = await Promise.all(threads.map(async (thread) => ({ thread, ended: await thread.close() })));
    for (const { thread } of ended.filter((one) => !one.ended)) {
      this.#hung = true;
      this.#log.warn({ worker: thread.name }, 'a system call still holds this worker, it is not waited for');
    }
  }

  #thread(name: string): WorkerThread {
    const { pool } = this;
    const gates = this.#gates;
    const answer: Answering = (question, thread) => this.#answering(question, thread);
    return new WorkerThread({ name, blake3: this.#blake3, lane: this.#lane }, { log: this.#log, pool, gates, answer });
  }

  async #leave(key: string): Promise<void> {
    const entry = this.#blobs.get(key);
    if (entry === undefined) return;
    entry.users -= 1;
    if (entry.users > 0) return;
    // Before the workers close the file: the number of a closed descriptor may mean another file soon.
    await entry.blob.close();
    if (entry.users > 0 || this.#blobs.get(key) !== entry) return;
    this.#blobs.delete(key);
    for (const thread of [...this.#movers, ...this.#dedicated]) thread.closeBlob(entry.blob.id);
  }
}
