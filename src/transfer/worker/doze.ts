/** Fewer bytes at a time than this are not worth waking for. */
const WORTH_BYTES = 128 * 1024;
const MAX_DOZE_MS = 20;
/** A line that brings enough so soon is never left alone. */
const MIN_DOZE_MS = 4;
/** How long to look at the rate, and for how long to believe it: twice as long each time, up to a bound. */
const LOOK_MS = 12;
const FIRST_BELIEF_MS = 50;
const LAST_BELIEF_MS = 800;
/** Nothing moved for so long: what comes next is something else. */
const PAUSE_MS = 250;

type State =
  | { readonly kind: 'looking'; readonly sinceMs: number; bytes: number }
  | { readonly kind: 'dozing'; readonly ms: number; readonly untilMs: number };

/**
 * How long a worker should sleep between two turns of its event loop. On a slow line every few packets wake it, and the
 * waking costs more than the bytes: it lets them come together, 20 ms at most. Its own sleep must not make a quick line
 * look slow, so the rate is measured awake, again and again.
 */
export class DozeLength {
  #state: State | undefined;
  #beliefMs = FIRST_BELIEF_MS;
  #lastMs = -Infinity;

  /** A turn is over that has moved so many bytes. Returns how long to sleep, 0 for not at all. */
  afterTurn(bytes: number, nowMs: number): number {
    if (nowMs - this.#lastMs > PAUSE_MS) this.#look(FIRST_BELIEF_MS);
    this.#lastMs = nowMs;
    const state = this.#state;
    switch (state?.kind) {
      case undefined:
        // What has piled up before says nothing of the rate.
        this.#state = { kind: 'looking', sinceMs: nowMs, bytes: 0 };
        return 0;
      case 'looking':
        state.bytes += bytes;
        return this.#judge(state, nowMs);
      case 'dozing':
        // More than was believed: the line has become quicker.
        if (bytes >= 2 * WORTH_BYTES) this.#look(FIRST_BELIEF_MS);
        else if (nowMs >= state.untilMs) this.#look(Math.min(LAST_BELIEF_MS, 2 * this.#beliefMs));
        else return state.ms;
        return 0;
    }
  }

  #look(beliefMs: number): void {
    this.#state = undefined;
    this.#beliefMs = beliefMs;
  }

  #judge(state: { readonly sinceMs: number; readonly bytes: number }, nowMs: number): number {
    const elapsedMs = nowMs - state.sinceMs;
    if (elapsedMs < LOOK_MS) return 0;
    const ms = Math.min(MAX_DOZE_MS, (WORTH_BYTES / Math.max(1, state.bytes)) * elapsedMs);
    if (ms < MIN_DOZE_MS) {
      this.#state = { kind: 'looking', sinceMs: nowMs, bytes: 0 };
      this.#beliefMs = FIRST_BELIEF_MS;
      return 0;
    }
    this.#state = { kind: 'dozing', ms, untilMs: nowMs + this.#beliefMs };
    return ms;
  }
}

/** Sleeps so, with the whole thread: no timer and no system call for each socket. */
export class Doze {
  readonly #length = new DozeLength();
  readonly #bell = new Int32Array(new SharedArrayBuffer(4));
  readonly #beforehand: () => void;
  #bytes = 0;
  #hasSent = false;
  #atTurnsEnd: NodeJS.Immediate | undefined;

  /** @param options.beforehand what must not wait for the end of the sleep */
  constructor(options: { readonly beforehand: () => void }) {
    this.#beforehand = options.beforehand;
  }

  /** Bytes have come in this turn. */
  received(bytes: number): void {
    this.#bytes += bytes;
    this.#atTurnsEnd ??= setImmediate(() => this.#turnEnds());
  }

  /** A line out has room again in this turn: as long as that happens in every turn, there is no sleep. */
  sent(): void {
    this.#hasSent = true;
  }

  #turnEnds(): void {
    this.#atTurnsEnd = undefined;
    const bytes = this.#bytes;
    this.#bytes = 0;
    const ms = this.#length.afterTurn(bytes, performance.now());
    const skipped = this.#hasSent;
    this.#hasSent = false;
    if (ms === 0 || skipped) return;
    this.#beforehand();
    Atomics.wait(this.#bell, 0, 0, ms);
  }
}
