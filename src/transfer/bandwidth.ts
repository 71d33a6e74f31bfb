import type { Clock } from '../util/clock.ts';

/** How much may pass at once after a pause; more would defeat a cap that protects other people's traffic. */
const BURST_MS = 250;

/**
 * A token bucket over a schedule: each taker gets the next free stretch of time, first come, first served. A taker may
 * ask for more than the burst; it then goes at once if the line is free and those after it wait longer.
 *
 * Senders take chunk by chunk (≤ 64 KiB), because a receiver that sees nothing for 3 s calls its source stalled.
 */
export class RateLimiter {
  readonly #clock: Clock;
  #bytesPerSecond: number;
  /** Monotonic time at which everything that has been taken will have passed. */
  #freeAtMs: number;

  /** @param options.bytesPerSecond `Infinity` for no limit */
  constructor(options: { readonly bytesPerSecond: number }, parts: { readonly clock: Clock }) {
    this.#clock = parts.clock;
    this.#bytesPerSecond = checkRate(options.bytesPerSecond);
    this.#freeAtMs = parts.clock.monotonic() - BURST_MS;
  }

  get bytesPerSecond(): number {
    return this.#bytesPerSecond;
  }

  /** Those who wait already keep their place in time; the new rate is for those who come after. */
  setRate(bytesPerSecond: number): void {
    this.#bytesPerSecond = checkRate(bytesPerSecond);
    if (bytesPerSecond === Infinity) this.#freeAtMs = Math.min(this.#freeAtMs, this.#clock.monotonic());
  }

  /** Resolves when `bytes` may pass; rejects with an AbortError, and nothing taken, when `signal` fires first. */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#bytesPerSecond === Infinity) return;
    const costMs = (bytes / this.#bytesPerSecond) * 1000;
    const nowMs = this.#clock.monotonic();
    const startMs = Math.max(this.#freeAtMs, nowMs - BURST_MS);
    this.#freeAtMs = startMs + costMs;
    if (startMs <= nowMs) return;
    try {
      await this.#clock.sleep(startMs - nowMs, signal);
    } catch (error) {
      this.#freeAtMs -= costMs;
      throw error;
    }
  }
}

function checkRate(bytesPerSecond: number): number {
  if (!(bytesPerSecond > 0)) throw new RangeError(`a rate of ${bytesPerSecond} bytes per second lets nothing pass`);
  return bytesPerSecond;
}
