import type { Clock } from '../../util/clock.ts';
import { messageOf } from '../../util/errors.ts';
import type { HostPort } from '../../util/host-port.ts';
import type { Log } from '../../util/log.ts';
import { cancellable } from '../cancellable.ts';
import type { LanePeer } from '../data-orders.ts';
import type { DataPlane } from '../data-plane.ts';

/** A lane that could not be reached is tried again after this long, doubling; pieces go over the stream meanwhile. */
const FIRST_TRY_AGAIN_MS = 5_000;
const LAST_TRY_AGAIN_MS = 120_000;
const MAX_FAILED = 1000;

export interface LaneBookParts {
  readonly plane: DataPlane;
  /** Where a peer's lane may be reached, by its record; empty when it has none. */
  readonly addressesOf: (peerId: string) => readonly HostPort[];
  readonly nameOf: (peerId: string) => string | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** Which peers can be reached over the lane. */
export class LaneBook {
  readonly #parts: LaneBookParts;
  readonly #failed = new Map<string, { readonly untilMs: number; readonly againMs: number; readonly reason: string }>();
  /** Sources that use it. */
  readonly #users = new Map<string, number>();

  constructor(parts: LaneBookParts) {
    this.#parts = parts;
  }

  /** The peer's lane, open, or undefined where pieces have to go over the stream. Rejects only when `signal` fires. */
  async open(peerId: string, signal: AbortSignal): Promise<LanePeer | undefined> {
    const { plane, clock, log, nameOf } = this.#parts;
    if (!plane.hasLane) return undefined;
    const addresses = this.#parts.addressesOf(peerId);
    if (addresses.length === 0) return undefined;
    if (clock.monotonic() < (this.#failed.get(peerId)?.untilMs ?? -Infinity)) return undefined;
    const peer: LanePeer = { peerId, addresses };
    try {
      await cancellable(plane.mover().start<'open-lane'>({ kind: 'open-lane', peer }), signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!this.#failed.has(peerId)) {
        const fields = { peer: peerId, name: nameOf(peerId), addresses, reason: messageOf(error) };
        const remedy = 'Open the port of its lane (7422 by default) for this node.';
        log.warn({ ...fields, remedy }, 'the lane to a peer cannot be reached, pieces go over libp2p');
      }
      if (this.#failed.size >= MAX_FAILED) this.#failed.clear();
      const againMs = Math.min(LAST_TRY_AGAIN_MS, 2 * (this.#failed.get(peerId)?.againMs ?? FIRST_TRY_AGAIN_MS / 2));
      this.#failed.set(peerId, { untilMs: clock.monotonic() + againMs, againMs, reason: messageOf(error) });
      return undefined;
    }
    this.#failed.delete(peerId);
    return peer;
  }

  /** A source fetches over the lane from now on, until the returned function is called. */
  using(peerId: string): () => void {
    const count = (change: number): void => {
      this.#users.set(peerId, (this.#users.get(peerId) ?? 0) + change);
    };
    count(1);
    let open = true;
    return () => {
      if (open) count(-1);
      open = false;
    };
  }

  /** Pieces come from this peer, or came last, over the lane. */
  isUsed(peerId: string): boolean {
    return this.#users.has(peerId) && !this.#failed.has(peerId);
  }

  /** Why pieces go over the stream, where the lane was tried. */
  problemOf(peerId: string): string | undefined {
    return this.#failed.get(peerId)?.reason;
  }
}
