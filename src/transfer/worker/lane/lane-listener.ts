import { createServer, type Server, type Socket } from 'node:net';
import { type SecureContext, TLSSocket } from 'node:tls';
import { codeOf, isAbort, messageOf, ShoalError } from '../../../util/errors.ts';
import type { HostPort } from '../../../util/host-port.ts';
import type { LaneCredentials, TaskFact } from '../../data-orders.ts';
import type { Doze } from '../doze.ts';
import type { FdCache } from '../fd-cache.ts';
import type { Questions } from '../questions.ts';
import type { TaskContext } from '../task.ts';
import { addressOf, certificateOf, LANE_PROTOCOL, laneContext } from './lane-tls.ts';
import { LaneUpload } from './lane-upload.ts';
import { readTicket } from './plain-lane.ts';
import { SlicePool } from './slice-pool.ts';

/** From the first packet to a proved member. */
const HANDSHAKE_MS = 5_000;
/** Strangers at the door, from one address and altogether: a handshake costs a few milliseconds of this thread. */
const MAX_PENDING_PER_ADDRESS = 16;
const MAX_PENDING = 64;
const MAX_LANES = 128;
/** A peer's workers have one each. */
const MAX_LANES_PER_PEER = 8;

export interface LaneListenerParts {
  readonly credentials: LaneCredentials;
  readonly questions: Questions;
  readonly files: FdCache;
  readonly doze: Doze;
}

/** Accepts lanes: strangers are few at a time and have little time, and only members of the fleet are let in. */
export class LaneListener {
  readonly #parts: LaneListenerParts;
  readonly #context: TaskContext;
  readonly #secure: SecureContext;
  readonly #server: Server;
  readonly #pending = new Map<string, number>();
  readonly #lanes = new Map<string, number>();
  readonly #slices = new SlicePool();
  #pendingCount = 0;
  #laneCount = 0;

  constructor(parts: LaneListenerParts, context: TaskContext) {
    this.#parts = parts;
    this.#context = context;
    this.#secure = laneContext(parts.credentials);
    this.#server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
  }

  /**
   * Until the task is cancelled.
   * @param options.shared several workers listen on one port, and the system spreads connections over them
   */
  async run({ host, port }: HostPort, options: { readonly shared: boolean }): Promise<void> {
    const { signal } = this.#context;
    const server = this.#server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port, reusePort: options.shared, backlog: 511 }, resolve);
    });
    const bound = server.address();
    if (bound !== null && typeof bound === 'object') {
      this.#context.tell({ kind: 'listening', address: { host: bound.address, port: bound.port } });
    }
    await new Promise<void>((resolve) => {
      // Running out of descriptors shows here; those that are open go on.
      server.on('error', (error) => this.#refuse('the listener', error));
      signal.addEventListener('abort', () => resolve(), { once: true });
      if (signal.aborted) resolve();
    });
    server.close();
  }

  #accept(raw: Socket): void {
    const { remoteAddress = 'unknown' } = raw;
    const here = this.#pending.get(remoteAddress) ?? 0;
    raw.on('error', () => undefined);
    if (
      here >= MAX_PENDING_PER_ADDRESS ||
      this.#pendingCount >= MAX_PENDING ||
      this.#laneCount >= MAX_LANES ||
      this.#context.signal.aborted
    ) {
      raw.destroy();
      return;
    }
    this.#pending.set(remoteAddress, here + 1);
    this.#pendingCount += 1;
    void this.#admit(raw).finally(() => {
      this.#pendingCount -= 1;
      const left = (this.#pending.get(remoteAddress) ?? 1) - 1;
      if (left === 0) this.#pending.delete(remoteAddress);
      else this.#pending.set(remoteAddress, left);
    });
  }

  async #admit(raw: Socket): Promise<void> {
    const from = addressOf(raw);
    const timer = setTimeout(() => raw.destroy(), HANDSHAKE_MS);
    try {
      const { socket, peerId } = await this.#handshake(raw);
      if ((this.#lanes.get(peerId) ?? 0) >= MAX_LANES_PER_PEER) throw new ShoalError('source-busy', 'too many lanes');
      void this.#serve(socket, peerId);
    } catch (error) {
      raw.destroy();
      this.#refuse(from, error);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Who it is, proved. */
  async #handshake(raw: Socket): Promise<{ readonly socket: Socket; readonly peerId: string }> {
    const { questions, credentials } = this.#parts;
    const ticket = credentials.plain === true ? await readTicket(raw) : undefined;
    if (ticket !== undefined) {
      const { peerId } = await questions.ask<'ticket-owner'>({ kind: 'ticket-owner', ticket });
      return { socket: open(raw), peerId };
    }
    const socket = await this.#secured(raw);
    const certificate = certificateOf(socket);
    const { peerId } = await questions.ask<'lane-peer'>({ kind: 'lane-peer', certificate, expected: undefined });
    return { socket: open(socket), peerId };
  }

  async #secured(raw: Socket): Promise<TLSSocket> {
    const socket = new TLSSocket(raw, {
      isServer: true,
      secureContext: this.#secure,
      requestCert: true,
      // Self-signed, with a peer id in it, which is what is checked.
      rejectUnauthorized: false,
      ALPNProtocols: [LANE_PROTOCOL],
    });
    socket.on('error', () => undefined);
    await new Promise<void>((resolve, reject) => {
      socket.once('secure', resolve);
      socket.once('error', reject);
      socket.once('close', () => reject(new ShoalError('source-gone', 'closed in the handshake')));
    });
    return socket;
  }

  async #serve(socket: Socket, peerId: string): Promise<void> {
    this.#count(peerId, 1);
    try {
      const parts = { ...this.#parts, slices: this.#slices, tell: (fact: TaskFact) => this.#context.soon(fact) };
      await new LaneUpload({ socket, peerId }, parts).run(this.#context.signal);
    } catch (error) {
      if (!isAbort(error) && error instanceof ShoalError && error.code === 'source-lied') {
        this.#refuse(`${peerId} at ${addressOf(socket)}`, error);
      }
    } finally {
      socket.destroy();
      this.#count(peerId, -1);
    }
  }

  #count(peerId: string, change: 1 | -1): void {
    const count = (this.#lanes.get(peerId) ?? 0) + change;
    this.#laneCount += change;
    if (count === 0) this.#lanes.delete(peerId);
    else this.#lanes.set(peerId, count);
    this.#context.tell({ kind: 'lanes', peerId, count });
  }

  #refuse(address: string, error: unknown): void {
    // Somebody who hung up, as one does who gave up waiting, was not refused.
    if (codeOf(error) === 'source-gone') return;
    this.#context.tell({ kind: 'refused', address, reason: messageOf(error) });
  }
}

/** One that has been closed meanwhile tells nobody any more, and its lane would never end. @throws ShoalError `source-gone` */
function open(socket: Socket): Socket {
  if (socket.destroyed) throw new ShoalError('source-gone', 'closed in the handshake');
  return socket;
}
