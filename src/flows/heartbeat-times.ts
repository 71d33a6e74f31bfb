import type { Clock } from '../util/clock.ts';

/** Clocks are slewed by that much without anybody setting them. */
const HELD_MAX_MS = 1_000;

/**
 * When heartbeats were written. A clock that is corrected by a little must not make the newest one look older than those
 * before; one that is set back by more says so: an orchestrator then has the node register, once, and knows its new time.
 */
export class HeartbeatTimes {
  readonly #clock: Pick<Clock, 'now'>;
  #lastMs = -Infinity;

  constructor(parts: { readonly clock: Pick<Clock, 'now'> }) {
    this.#clock = parts.clock;
  }

  next(): number {
    const nowMs = this.#clock.now();
    const backMs = this.#lastMs - nowMs;
    if (backMs <= 0 || backMs > HELD_MAX_MS) this.#lastMs = nowMs;
    return this.#lastMs;
  }
}
