import type { Pace } from './window.ts';

/**
 * An average of bytes per second that forgets with time: what came `tauMs` ago weighs a third of what comes now.
 * Time is a parameter of every call, so a meter can also run on the time during which a source was busy.
 */
export class RateMeter {
  readonly #tauMs: number;
  #startedMs: number | undefined;
  #updatedMs = 0;
  #sum = 0;

  constructor(tauMs: number) {
    this.#tauMs = tauMs;
  }

  start(nowMs: number): void {
    if (this.#startedMs !== undefined) return;
    this.#startedMs = nowMs;
    this.#updatedMs = nowMs;
  }

  add(bytes: number, nowMs: number): void {
    this.start(nowMs);
    this.#decay(nowMs);
    this.#sum += bytes;
  }

  /** 0 before anything has been measured. */
  bytesPerSecond(nowMs: number): number {
    if (this.#startedMs === undefined || nowMs <= this.#startedMs) return 0;
    this.#decay(nowMs);
    // Divided by the weight of the time that has passed, or the first seconds would read too low.
    const weightMs = this.#tauMs * (1 - Math.exp((this.#startedMs - nowMs) / this.#tauMs));
    return (this.#sum / weightMs) * 1000;
  }

  #decay(nowMs: number): void {
    if (nowMs <= this.#updatedMs) return;
    this.#sum *= Math.exp((this.#updatedMs - nowMs) / this.#tauMs);
    this.#updatedMs = nowMs;
  }
}

const PACE_TAU_MS = 2000;
/** Per piece; lets the round trip rise again when a path has become longer. */
const ROUND_TRIP_RISE = 1.05;
/** There is always something to wait for: without it, the window of a very near source would be a single piece. */
const MIN_ROUND_TRIP_MS = 0.1;
const SETTLE_SHARE = 0.2;

/** Measures one source: its rate while it has something in flight, and its round trip. */
export class SourcePace {
  readonly #rate = new RateMeter(PACE_TAU_MS);
  #busyMs = 0;
  #busySinceMs: number | undefined;
  #roundTripMs: number | undefined;
  #settleMs: number | undefined;

  busy(nowMs: number): void {
    this.#busySinceMs ??= nowMs;
    this.#rate.start(this.#busyMs);
  }

  idle(nowMs: number): void {
    this.#busyMs = this.#busyTime(nowMs);
    this.#busySinceMs = undefined;
  }

  received(bytes: number, nowMs: number): void {
    this.#rate.add(bytes, this.#busyTime(nowMs));
  }

  /** @param aheadBytes what this source still had to send before, when the piece was asked for */
  firstByte(latencyMs: number, aheadBytes: number, nowMs: number): void {
    const rate = this.bytesPerSecond(nowMs);
    const queuedMs = rate > 0 ? (aheadBytes / rate) * 1000 : 0;
    if (aheadBytes > 0 && rate === 0) return;
    const sample = Math.max(MIN_ROUND_TRIP_MS, latencyMs - queuedMs);
    this.#roundTripMs =
      this.#roundTripMs === undefined ? sample : Math.min(sample, this.#roundTripMs * ROUND_TRIP_RISE);
  }

  /** A first whole piece is also what makes the rate worth believing. @param settleMs from the last byte to the end */
  pieceDone(settleMs: number): void {
    this.#settleMs = (this.#settleMs ?? settleMs) * (1 - SETTLE_SHARE) + settleMs * SETTLE_SHARE;
  }

  /** While busy; 0 until known. */
  bytesPerSecond(nowMs: number): number {
    return this.#rate.bytesPerSecond(this.#busyTime(nowMs));
  }

  /** Includes verifying and writing: until then nothing else is asked for. Undefined until a piece has come. */
  get roundTripMs(): number | undefined {
    if (this.#settleMs === undefined || this.#roundTripMs === undefined) return undefined;
    return this.#roundTripMs + this.#settleMs;
  }

  at(nowMs: number): Pace {
    if (this.#settleMs === undefined) return { bytesPerSecond: undefined, roundTripMs: undefined };
    return { bytesPerSecond: this.bytesPerSecond(nowMs), roundTripMs: this.roundTripMs };
  }

  #busyTime(nowMs: number): number {
    return this.#busyMs + (this.#busySinceMs === undefined ? 0 : nowMs - this.#busySinceMs);
  }
}
