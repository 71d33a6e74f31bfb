import { jittered, type Random } from '../util/random.ts';

const FIRST_RETRY_MS = 1000;
/** Not longer, so that a line that is mended after minutes is used again soon; a try costs little. */
const MAX_RETRY_MS = 15_000;
const FIRST_BUSY_MS = 200;
const MAX_BUSY_MS = 5000;
const JITTER = 0.2;

/** When a source that failed, or asked to be left alone, is tried again; pauses double until it delivers. */
export class RetrySchedule {
  readonly #random: Random;
  #failures = 0;
  #busyAnswers = 0;
  #busyUntilMs = -Infinity;
  #probing = false;

  constructor(parts: { readonly random: Random }) {
    this.#random = parts.random;
  }

  /** Since it last delivered. */
  get failures(): number {
    return this.#failures;
  }

  get busyUntilMs(): number {
    return this.#busyUntilMs;
  }

  /** Turned away more than once in a row: who is busy for a moment only is not worth going to others for. */
  get refusing(): boolean {
    return this.#busyAnswers > 1;
  }

  /** It has failed and not delivered since: one piece at a time is risked. */
  get probing(): boolean {
    return this.#probing;
  }

  /** Returns when to try again. */
  failed(nowMs: number): number {
    this.#failures += 1;
    this.#probing = true;
    const pauseMs = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** (this.#failures - 1));
    return nowMs + jittered(pauseMs, JITTER, this.#random);
  }

  /** Several requests that are turned away together are one answer. */
  turnedAway(nowMs: number): void {
    this.#probing = true;
    if (nowMs < this.#busyUntilMs) return;
    const pauseMs = Math.min(MAX_BUSY_MS, FIRST_BUSY_MS * 2 ** this.#busyAnswers);
    this.#busyAnswers += 1;
    this.#busyUntilMs = nowMs + jittered(pauseMs, JITTER, this.#random);
  }

  /** How long is for the blame ledger to say. */
  blamed(): void {
    this.#probing = true;
  }

  delivered(): void {
    this.#failures = 0;
    this.#busyAnswers = 0;
    this.#probing = false;
  }

  /** It is known to be there again. */
  forgive(): void {
    this.#failures = 0;
  }
}
