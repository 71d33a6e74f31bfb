import type { Clock } from '../util/clock.ts';

/** News after a quiet time go out this soon. */
const FIRST_BATCH_MS = 30;
/**
 * And then this seldom, for each peer that listens, up to the bound: a message costs both ends some tenths of a millisecond
 * of the main thread. In the simulator the time of eight nodes is the same for any batch from 20 to 400 ms (1.036 to 1.040
 * of the bound); a thousand need 1.128 with 50 ms and 1.153 with 350 ms (2026-11-22).
 */
const SPACING_PER_PEER_MS = 50;
const MAX_SPACING_MS = 250;
/** Timers that end so much too late, in the mean: the machine has more to do than it can. */
const BUSY_LATE_MS = 10;
/**
 * Then news are told so much more seldom. Sixteen simulated nodes need 1.6 % longer with 750 ms than with 250 ms
 * (2026-11-22).
 */
const BUSY_FACTOR = 3;
/** How much the newest says about how late timers are. */
const LATE_SHARE = 0.2;

/** When a node tells those who listen which pieces it has come by. One for all listeners. */
export class HavePace {
  readonly #peers: () => number;
  readonly #clock: Clock;
  #toldMs = -Infinity;
  #lateMs = 0;

  /** @param options.peers how many listen to this node */
  constructor(options: { readonly peers: () => number }, parts: { readonly clock: Clock }) {
    this.#peers = options.peers;
    this.#clock = parts.clock;
  }

  /** How long news wait that come now, in ms. */
  waitMs(): number {
    const spacingMs = this.#spacingMs();
    if (this.#clock.monotonic() - this.#toldMs >= 2 * spacingMs) return FIRST_BATCH_MS;
    // By the wall clock, so that all nodes tell, and hear, at about the same moments: what wakes a process for one message
    // costs more than to read ten that lie there.
    return spacingMs - (this.#clock.now() % spacingMs);
  }

  /** All who listen are told now, so much later than they should have been. */
  told(lateMs: number): void {
    this.#toldMs = this.#clock.monotonic();
    this.#lateMs += LATE_SHARE * (lateMs - this.#lateMs);
  }

  #spacingMs(): number {
    const quietMs = Math.min(MAX_SPACING_MS, SPACING_PER_PEER_MS * this.#peers());
    return this.#lateMs > BUSY_LATE_MS ? BUSY_FACTOR * quietMs : quietMs;
  }
}
