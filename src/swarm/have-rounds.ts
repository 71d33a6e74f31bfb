import type { Clock } from '../util/clock.ts';
import { isAbort } from '../util/errors.ts';
import type { HavePace } from './have-pace.ts';

type Pace = Pick<HavePace, 'waitMs' | 'told'>;

/** The moments at which those who listen are told: one timer for all of them, so one measure of how late it is. */
export class HaveRounds {
  readonly #pace: Pace;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #due = new Set<() => void>();
  #waiting = false;

  /** @param options.signal ends it: nobody is told after that */
  constructor(options: { readonly signal: AbortSignal }, parts: { readonly pace: Pace; readonly clock: Clock }) {
    this.#signal = options.signal;
    this.#pace = parts.pace;
    this.#clock = parts.clock;
  }

  /** Calls `tell` at the next moment, once, however often it joins until then. */
  join(tell: () => void): void {
    this.#due.add(tell);
    if (this.#waiting) return;
    this.#waiting = true;
    void this.#wait(this.#pace.waitMs());
  }

  leave(tell: () => void): void {
    this.#due.delete(tell);
  }

  async #wait(ms: number): Promise<void> {
    const dueMs = this.#clock.monotonic() + ms;
    try {
      await this.#clock.sleep(ms, this.#signal);
    } catch (error) {
      if (isAbort(error)) return;
      throw error;
    }
    this.#waiting = false;
    if (this.#due.size === 0) return;
    this.#pace.told(this.#clock.monotonic() - dueMs);
    const due = [...this.#due];
    this.#due.clear();
    for (const tell of due) tell();
  }
}
