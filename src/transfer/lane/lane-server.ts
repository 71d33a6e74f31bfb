import { createServer } from 'node:net';
import { verifyPeerCertificate } from '@libp2p/tls/utils';
import { systemClock } from '../../util/clock.ts';
import { messageOf, ShoalError } from '../../util/errors.ts';
import type { HostPort } from '../../util/host-port.ts';
import { listenFailure } from '../../util/listen-failure.ts';
import type { AnswerTo, Question, TaskFact } from '../data-orders.ts';
import { locatePiece, type ServedPiece, type ServingParts } from '../serving.ts';
import type { UploadLedger } from '../upload-ledger.ts';
import type { Task, WorkerThread } from '../worker-thread.ts';
import type { LaneTickets } from './lane-tickets.ts';
import { ProvedCertificates } from './proved-certificates.ts';

/** After a worker has crashed. */
const LISTEN_AGAIN_MS = 1000;
/** Refusals that are told at most once in so long for an address. */
const TELL_AGAIN_MS = 60_000;
const MAX_TOLD = 1000;

export interface LaneServerParts extends ServingParts {
  readonly ledger: UploadLedger;
  /** A member of the fleet, by what is known now. */
  readonly isMember: (peerId: string) => boolean;
  /** Where lanes may go without encryption. */
  readonly tickets?: LaneTickets;
}

interface Turn {
  readonly peerId: string;
  readonly thread: WorkerThread;
  readonly piece: ServedPiece;
  readonly sha256: string;
  readonly release: () => void;
}

/**
 * The giving end of the lane, on the main thread: it says who is let in and where a piece is, and the workers do the
 * rest. Each of them listens on the same port.
 */
export class LaneServer implements AsyncDisposable {
  readonly #parts: LaneServerParts;
  readonly #turns = new Map<number, Turn>();
  readonly #tasks = new Map<WorkerThread, Task<'serve-lane'>>();
  /** Fires when the worker has ended: nobody waits for what it has asked. */
  readonly #ended = new Map<WorkerThread, AbortController>();
  readonly #lanes = new Map<WorkerThread, Map<string, number>>();
  readonly #told = new Map<string, number>();
  readonly #proved = new ProvedCertificates({
    clock: systemClock,
    prove: async (certificate) => (await verifyPeerCertificate(certificate)).toString(),
    isMember: (peerId) => this.#parts.isMember(peerId),
  });
  #nextTurn = 1;
  #address: HostPort | undefined;
  #closed = false;

  private constructor(parts: LaneServerParts) {
    this.#parts = parts;
  }

  /** @throws ShoalError `conflict` for an address that is taken, or not of this machine */
  static async start(options: { readonly address: HostPort }, parts: LaneServerParts): Promise<LaneServer> {
    const server = new LaneServer(parts);
    parts.plane.answerWith((question, thread) => server.#answer(question, thread));
    try {
      const { movers } = parts.plane;
      const shared = movers.length > 1;
      // A port that workers share would be shared with a second daemon as well: it must be free before.
      if (shared) await assertFree(options.address);
      for (const thread of movers)
        server.#address = await server.#listen(thread, server.#address ?? options.address, shared);
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw listenFailure(error, { what: 'the lane', flag: '--lane', address: options.address });
    }
    return server;
  }

  /** Where it listens, with the port that was chosen. */
  get address(): HostPort {
    if (this.#address === undefined) throw new ShoalError('internal', 'the lane does not listen yet');
    return this.#address;
  }

  /** Lanes that a peer has open to this node. */
  lanesOf(peerId: string): number {
    let count = 0;
    for (const lanes of this.#lanes.values()) count += lanes.get(peerId) ?? 0;
    return count;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    for (const task of this.#tasks.values()) task.cancel();
    return Promise.resolve();
  }

  /** Resolves when the worker listens. */
  #listen(thread: WorkerThread, address: HostPort, shared: boolean): Promise<HostPort> {
    const { promise, resolve, reject } = Promise.withResolvers<HostPort>();
    const onFact = (fact: TaskFact): void => {
      if (fact.kind === 'listening') resolve(fact.address);
      else this.#take(fact, thread);
    };
    const task = thread.start<'serve-lane'>({ kind: 'serve-lane', address, shared }, onFact);
    this.#tasks.set(thread, task);
    this.#ended.set(thread, new AbortController());
    task.ended.then(
      () => this.#lost(thread),
      (error: unknown) => {
        reject(error);
        this.#lost(thread);
        if (this.#closed || this.#address === undefined) return;
        this.#parts.log.error({ err: error, worker: thread.name }, 'a worker does not serve the lane any more');
        setTimeout(() => {
          if (!this.#closed) this.#listen(thread, this.address, shared).catch(() => undefined);
        }, LISTEN_AGAIN_MS).unref();
      },
    );
    return promise;
  }

  #take(fact: TaskFact, thread: WorkerThread): void {
    if (fact.kind === 'upload-ended') this.#uploadEnded(fact);
    else if (fact.kind === 'refused') this.#refused(fact.address, fact.reason);
    else if (fact.kind === 'lanes') {
      const lanes = this.#lanes.get(thread) ?? new Map<string, number>();
      this.#lanes.set(thread, lanes);
      if (fact.count === 0) lanes.delete(fact.peerId);
      else lanes.set(fact.peerId, fact.count);
    }
  }

  #uploadEnded({ turn: number, bytes, changed }: Extract<TaskFact, { kind: 'upload-ended' }>): void {
    const turn = this.#turns.get(number);
    if (turn === undefined) return;
    this.#turns.delete(number);
    turn.release();
    if (bytes > 0) this.#parts.ledger.sent(turn.peerId, bytes);
    if (changed) this.#parts.onChanged({ sha256: turn.sha256, path: turn.piece.file.path });
  }

  /** The worker has ended, and with it all that it was sending. */
  #lost(thread: WorkerThread): void {
    this.#lanes.delete(thread);
    this.#ended.get(thread)?.abort(new ShoalError('source-gone', 'the worker that asked has ended'));
    this.#ended.delete(thread);
    for (const [number, turn] of this.#turns) {
      if (turn.thread !== thread) continue;
      this.#turns.delete(number);
      turn.release();
    }
  }

  async #answer(question: Question, thread: WorkerThread): Promise<unknown> {
    const signal = this.#ended.get(thread)?.signal ?? new AbortController().signal;
    switch (question.kind) {
      case 'lane-peer':
        return await this.#peerOf(question.certificate, question.expected);
      case 'lane-ticket':
        return { ticket: await this.#tickets().ask(question.peerId, signal) };
      case 'ticket-owner':
        return this.#member(this.#tickets().redeem(question.ticket));
      case 'upload-turn':
        return await this.#turn(question, thread, signal);
      case 'upload-bytes':
        await this.#parts.limiter.take(question.bytes, signal);
        return undefined;
    }
  }

  async #peerOf(certificate: Uint8Array, expected: string | undefined): Promise<AnswerTo<'lane-peer'>> {
    let peerId: string;
    try {
      peerId = await this.#proved.peerOf(certificate);
    } catch (error) {
      throw new ShoalError('unauthorized', `the certificate proves nothing: ${messageOf(error)}`, { cause: error });
    }
    if (expected !== undefined && peerId !== expected) {
      throw new ShoalError('unauthorized', `another node answers there: ${peerId}`);
    }
    return this.#member(peerId);
  }

  #member(peerId: string): { readonly peerId: string } {
    if (!this.#parts.isMember(peerId)) throw new ShoalError('unauthorized', `${peerId} is not of this fleet`);
    return { peerId };
  }

  #tickets(): LaneTickets {
    const { tickets } = this.#parts;
    if (tickets === undefined) throw new ShoalError('not-found', 'lanes are encrypted here');
    return tickets;
  }

  async #turn(
    { peerId, sha256, index }: { readonly peerId: string; readonly sha256: string; readonly index: number },
    thread: WorkerThread,
    signal: AbortSignal,
  ): Promise<AnswerTo<'upload-turn'>> {
    const { isMember, ledger, limiter, locate } = this.#parts;
    // Somebody who has left the fleet since the lane was opened.
    if (!isMember(peerId)) throw new ShoalError('unauthorized', `${peerId} is not of this fleet any more`);
    const release = await ledger.slots.take(peerId, signal);
    try {
      const piece = locatePiece(locate(sha256), index);
      const turn = this.#nextTurn;
      this.#nextTurn += 1;
      this.#turns.set(turn, { peerId, thread, piece, sha256, release });
      return { turn, ...piece, limited: limiter.bytesPerSecond !== Infinity };
    } catch (error) {
      release();
      throw error;
    }
  }

  #refused(address: string, reason: string): void {
    const host = address.replace(/:\d+$/, '');
    const now = performance.now();
    if (now - (this.#told.get(host) ?? -Infinity) < TELL_AGAIN_MS) return;
    if (this.#told.size >= MAX_TOLD) this.#told.clear();
    this.#told.set(host, now);
    this.#parts.log.warn({ address, reason }, 'lane refused');
  }
}

async function assertFree({ host, port }: HostPort): Promise<void> {
  if (port === 0) return;
  const probe = createServer();
  await new Promise<void>((resolve, reject) => {
    probe.once('error', reject);
    probe.listen({ host, port }, () => probe.close(() => resolve()));
  });
}
