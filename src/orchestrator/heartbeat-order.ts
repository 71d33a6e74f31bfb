/**
 * Tells heartbeats that say what holds now from those that were held up on their way, whatever the sender's clock says:
 * its times are compared only with its own earlier ones, and with how long those took.
 */
export class HeartbeatOrder {
  readonly #maxDelayMs: number;
  #newestMs = -Infinity;
  /** The least difference between this clock and the sender's: that of the heartbeat that came quickest. */
  #quickestMs = Infinity;

  constructor(options: { readonly maxDelayMs: number }) {
    this.#maxDelayMs = options.maxDelayMs;
  }

  /** Why it is no news; undefined when it is. */
  whyStale(writtenMs: number, nowMs: number): string | undefined {
    if (writtenMs < this.#newestMs) {
      return `it was written ${Math.ceil(this.#newestMs - writtenMs)} ms before one that has been taken`;
    }
    const delayMs = nowMs - writtenMs - this.#quickestMs;
    if (delayMs > this.#maxDelayMs) return `it was held up for ${Math.round(delayMs / 1000)} s`;
    return undefined;
  }

  taken(writtenMs: number, nowMs: number): void {
    // A date that does not exist tells nothing.
    if (Number.isNaN(writtenMs)) return;
    this.#newestMs = writtenMs;
    this.#quickestMs = Math.min(this.#quickestMs, nowMs - writtenMs);
  }

  /** The sender has started anew, or its clock was set. */
  restart(): void {
    this.#newestMs = -Infinity;
    this.#quickestMs = Infinity;
  }
}
