import { randomBytes } from 'node:crypto';
import type { Stream } from '@libp2p/interface';
import { FramedStream } from '../../swarm/framing.ts';
import type { Clock } from '../../util/clock.ts';
import { withDeadline } from '../../util/deadline.ts';
import { ShoalError } from '../../util/errors.ts';

export const TICKET_PROTOCOL = '/shoal/lane-ticket/1';
export const TICKET_BYTES = 32;

const VALID_MS = 10_000;
const EXCHANGE_MS = 2_000;
/** A peer's workers need one each. */
const MAX_PER_PEER = 16;

export interface LaneTicketsParts {
  readonly openStream: (peerId: string, protocol: string, signal: AbortSignal) => Promise<Stream>;
  readonly clock: Clock;
}

/**
 * Who may open a lane that is not encrypted: a ticket is given over the libp2p connection, which proves who it is for,
 * and is good for one lane within ten seconds.
 */
export class LaneTickets {
  readonly #parts: LaneTicketsParts;
  readonly #issued = new Map<string, { readonly peerId: string; readonly untilMs: number }>();

  constructor(parts: LaneTicketsParts) {
    this.#parts = parts;
  }

  /** Serves the ticket protocol. */
  async give(stream: Stream, peerId: string, signal: AbortSignal): Promise<void> {
    const framed = new FramedStream(stream, { maxBytes: TICKET_BYTES });
    await withDeadline(
      EXCHANGE_MS,
      async (deadline) => {
        await framed.write(this.issue(peerId), deadline);
        await framed.close(deadline);
      },
      signal,
    );
  }

  /** @throws ShoalError `source-gone` when the peer gives none, as one whose lanes are all encrypted */
  async ask(peerId: string, signal: AbortSignal): Promise<Uint8Array> {
    return await withDeadline(
      EXCHANGE_MS,
      async (deadline) => {
        const stream = await this.#parts.openStream(peerId, TICKET_PROTOCOL, deadline);
        const framed = new FramedStream(stream, { maxBytes: TICKET_BYTES });
        const ticket = await framed.expect(deadline);
        await framed.close(deadline);
        if (ticket.length !== TICKET_BYTES) throw new ShoalError('source-lied', 'that is no ticket');
        return ticket;
      },
      signal,
    );
  }

  /** @throws ShoalError `source-busy` */
  issue(peerId: string): Uint8Array {
    this.#forgetOld();
    const open = [...this.#issued.values()].filter((ticket) => ticket.peerId === peerId).length;
    if (open >= MAX_PER_PEER) throw new ShoalError('source-busy', 'too many tickets that were not used');
    const ticket = randomBytes(TICKET_BYTES);
    this.#issued.set(ticket.toString('hex'), { peerId, untilMs: this.#parts.clock.monotonic() + VALID_MS });
    return ticket;
  }

  /** Whom it was given to; it is void afterwards. @throws ShoalError `unauthorized` */
  redeem(ticket: Uint8Array): string {
    this.#forgetOld();
    const key = Buffer.from(ticket).toString('hex');
    const found = this.#issued.get(key);
    this.#issued.delete(key);
    if (found === undefined) throw new ShoalError('unauthorized', 'the ticket is not, or not any more, valid');
    return found.peerId;
  }

  #forgetOld(): void {
    const nowMs = this.#parts.clock.monotonic();
    for (const [ticket, { untilMs }] of this.#issued) if (untilMs <= nowMs) this.#issued.delete(ticket);
  }
}
