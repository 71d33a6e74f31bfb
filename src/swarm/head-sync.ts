import { setTimeout as delay } from 'node:timers/promises';
import type { Stream } from '@libp2p/interface';
import type { Clock } from '../util/clock.ts';
import { withDeadline } from '../util/deadline.ts';
import { codeOf, isAbort, messageOf, ShoalError } from '../util/errors.ts';
import type { Log } from '../util/log.ts';
import { EXPIRY_MS, FLEET_MAX_NODES, type Fleet } from './fleet.ts';
import { FramedStream } from './framing.ts';
import type { Links } from './links.ts';
import type { NoteOnce } from './note-once.ts';
import type { OwnRecord } from './own-record.ts';
import { SYNC_PROTOCOL } from './protocols.ts';
import { type SignedHead, verifyHead } from './record-head.ts';
import { HeadsMessage } from './wire/gossip.js';

const HEADS_MAX_BYTES = 1024 * 1024;
const SYNC_MS = 10_000;
const ATTEMPTS = 3;

/** When two nodes meet they tell each other every head they know, so that a node that joins knows the fleet at once. */
export class HeadSync {
  readonly #own: OwnRecord;
  readonly #fleet: Fleet;
  readonly #links: Links;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #noted: NoteOnce;
  readonly #hear: (head: SignedHead, teller: string, ageMs: number) => unknown;
  readonly #onSurpassed: () => void;

  constructor(parts: {
    own: OwnRecord;
    fleet: Fleet;
    links: Links;
    clock: Clock;
    log: Log;
    noted: NoteOnce;
    hear: (head: SignedHead, teller: string, ageMs: number) => unknown;
    /** This node has to announce itself anew, or it is not believed. */
    onSurpassed: () => void;
  }) {
    this.#own = parts.own;
    this.#fleet = parts.fleet;
    this.#links = parts.links;
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#noted = parts.noted;
    this.#hear = parts.hear;
    this.#onSurpassed = parts.onSurpassed;
  }

  /** Returns what ends it. */
  async start(signal: AbortSignal, onMet: () => void): Promise<() => void> {
    await this.#links.handle(
      SYNC_PROTOCOL,
      (stream, peerId, closing) =>
        withDeadline(SYNC_MS, (deadline) => this.#exchange(stream, peerId, deadline), closing),
      { maxInboundStreams: 4 },
    );
    const meet = (peerId: string): void => {
      onMet();
      // Both ends see the connection open: the one with the lower id asks.
      if (this.#links.peerId < peerId) void this.#meet(peerId, signal);
    };
    const stop = this.#links.onPeer({ connect: meet });
    // Who connected before we listened has asked in vain and will not ask again.
    for (const { peerId } of this.#links.connectedPeers()) {
      onMet();
      void this.#meet(peerId, signal);
    }
    return stop;
  }

  async #meet(peerId: string, signal: AbortSignal): Promise<void> {
    for (let attempt = 1; attempt <= ATTEMPTS && !signal.aborted && this.#links.isConnected(peerId); attempt += 1) {
      try {
        await withDeadline(
          SYNC_MS,
          async (deadline) => {
            const stream = await this.#links.openStream(peerId, SYNC_PROTOCOL, deadline);
            await this.#exchange(stream, peerId, deadline);
          },
          signal,
        );
        return;
      } catch (error) {
        this.#note(peerId, error);
        // A peer that has just started listens before it handles every protocol.
        await delay(200 * attempt, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  async #exchange(stream: Stream, peerId: string, signal: AbortSignal): Promise<void> {
    const frames = new FramedStream(stream, { maxBytes: HEADS_MAX_BYTES });
    try {
      await frames.write(await this.#knownTo(peerId), signal);
      await this.#take(await frames.expect(signal), peerId);
      await frames.close(signal);
    } catch (error) {
      frames.abort(error instanceof Error ? error : new Error(String(error)));
      throw error;
    }
  }

  async #knownTo(peerId: string): Promise<Uint8Array> {
    const { signed } = await this.#own.published();
    const now = this.#clock.monotonic();
    const heads = this.#fleet.nodes().map(({ headBytes, seenAt }) => ({
      head: Uint8Array.from(headBytes),
      ageMs: Math.max(0, Math.round(now - seenAt)),
    }));
    const buried = this.#fleet.buriedHead(peerId);
    if (buried !== undefined) heads.push({ head: Uint8Array.from(buried), ageMs: EXPIRY_MS });
    return HeadsMessage.encode({ heads: [{ head: Uint8Array.from(signed.bytes), ageMs: 0 }, ...heads] });
  }

  async #take(bytes: Uint8Array, teller: string): Promise<void> {
    for (const { head, ageMs } of decodeHeads(bytes)) {
      try {
        const signed = await verifyHead(head);
        if (signed.head.peerId === this.#links.peerId) this.#hearOfSelf(signed);
        else this.#hear(signed, teller, ageMs);
      } catch (error) {
        this.#note(teller, error);
      }
    }
  }

  /**
   * The sequence number of a start is the wall clock's: one that was set back makes all that is said older than what the
   * others know. Only where nodes meet, and not from gossip: two with the same identity would outdo each other for ever.
   */
  #hearOfSelf({ head }: SignedHead): void {
    if (!this.#own.surpass(head.seq)) return;
    this.#log.warn(
      { seq: head.seq, issuedAt: new Date(head.issuedAt).toISOString() },
      'the others know a later record of this node: its clock was set back, or another node has its identity',
    );
    this.#onSurpassed();
  }

  #note(peerId: string, error: unknown): void {
    const code = codeOf(error);
    const fields = { peer: peerId, code, reason: messageOf(error) };
    if (isAbort(error) || code === 'source-gone') this.#log.debug(fields, 'no sync with peer');
    else if (this.#noted.isFirst(`sync ${peerId}`)) this.#log.warn(fields, 'head refused');
  }
}

function decodeHeads(bytes: Uint8Array): HeadsMessage['heads'] {
  try {
    return HeadsMessage.decode(bytes, { limits: { heads: FLEET_MAX_NODES + 2 } }).heads;
  } catch (error) {
    throw new ShoalError('invalid', 'heads that cannot be decoded', { cause: error });
  }
}
