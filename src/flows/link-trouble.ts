import type { Gauge } from 'prom-client';
import type { Clock } from '../util/clock.ts';
import { ShoalError } from '../util/errors.ts';
import type { Log } from '../util/log.ts';
import { jittered, type Random } from '../util/random.ts';
import { retryAfterMs, troubleOf } from './orchestrator-requests.ts';

export interface LinkTroubleParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly connected: Gauge<'orchestrator'>;
}

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 15_000;
/** Trouble that comes back within this time is the same trouble, and the log has said it. */
const QUIET_MS = 60_000;
/** Some servers number their answers: after so many that are worded anew, one with the same status is the same trouble. */
const WORDINGS_MAX = 8;

/** How a link fares: what the log has said of it, and how long it rests after a failure. */
export class LinkTrouble {
  readonly #url: string;
  readonly #parts: LinkTroubleParts;
  readonly #said = new Set<string>();
  #isWell: boolean | undefined;
  #hasComplained = false;
  #problem: string | undefined;
  /** Failures that the back-off counts. */
  #inRow = 0;
  #lastFailureMs = -Infinity;

  constructor(options: { readonly url: string }, parts: LinkTroubleParts) {
    this.#url = options.url;
    this.#parts = parts;
  }

  get isFailing(): boolean {
    return this.#isWell === false;
  }

  /** What it failed with last; undefined while it is well. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** A heartbeat was accepted. */
  succeeded(): void {
    const { log, connected } = this.#parts;
    if (this.#hasComplained || this.#isWell === undefined) {
      log.info({ orchestrator: this.#url }, 'orchestrator accepts heartbeats');
    }
    this.#isWell = true;
    this.#hasComplained = false;
    this.#inRow = 0;
    this.#problem = undefined;
    connected.set({ orchestrator: this.#url }, 1);
  }

  /** Returns how long to rest. */
  failed(error: unknown): number {
    const { clock, log, random, connected } = this.#parts;
    const nowMs = clock.monotonic();
    if (nowMs - this.#lastFailureMs > QUIET_MS) this.#said.clear();
    this.#lastFailureMs = nowMs;
    this.#isWell = false;
    this.#inRow += 1;
    const problem = troubleOf(error);
    // Half a minute into it registrations are refused instead of heartbeats, for the same reason; and one that is away
    // resets, refuses or swallows connections in turn.
    const reason = error instanceof ShoalError ? this.#reasonOf(error, problem) : 'no answer';
    if (!this.#said.has(reason)) {
      this.#said.add(reason);
      this.#hasComplained = true;
      log.warn({ orchestrator: this.#url, problem }, 'orchestrator does not accept heartbeats, trying on');
    }
    this.#problem = problem;
    connected.set({ orchestrator: this.#url }, 0);
    const backOffMs = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(this.#inRow - 1, 10));
    return Math.max(jittered(backOffMs, 0.3, random), retryAfterMs(error, clock.now()) ?? 0);
  }

  #reasonOf({ fields }: ShoalError, problem: string): string {
    const isKnownToVary = this.#said.size >= WORDINGS_MAX;
    return isKnownToVary ? `status ${String(fields['status'])}` : problem.replace(/^(register|heartbeat) /, '');
  }

  /** Somebody waits: the back-off begins anew. */
  hurry(): void {
    this.#inRow = 0;
  }
}
