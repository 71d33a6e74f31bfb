import type { Clock } from '../../src/util/clock.ts';

interface Timer {
  readonly atMs: number;
  readonly fire: () => void;
}

/** Time that passes only when everybody waits: hours of a download in milliseconds, and always the same. */
export class VirtualClock implements Clock {
  readonly #timers = new Set<Timer>();
  #nowMs = 0;

  now(): number {
    return Date.UTC(2026, 0, 1) + this.#nowMs;
  }

  monotonic(): number {
    return this.#nowMs;
  }

  /** Sleeps that have neither ended nor been aborted. */
  get sleeping(): number {
    return this.#timers.size;
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const aborted = (): Error => new DOMException('aborted', 'AbortError');
      if (signal.aborted) {
        reject(aborted());
        return;
      }
      const onAbort = (): void => {
        this.#timers.delete(timer);
        reject(aborted());
      };
      const timer: Timer = {
        atMs: this.#nowMs + ms,
        fire: () => {
          signal.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#timers.add(timer);
    });
  }

  /** Lets time pass until `work` has settled. @throws when nobody sleeps any more or `limitMs` have passed */
  async drive<T>(work: Promise<T>, limitMs = 24 * 3600 * 1000): Promise<T> {
    const state = { settled: false };
    const watched = work.finally(() => {
      state.settled = true;
    });
    watched.catch(() => undefined);
    const endMs = this.#nowMs + limitMs;
    for (;;) {
      await macrotask();
      if (state.settled) return watched;
      const next = this.#next();
      if (next === undefined) throw new Error(`at ${this.#nowMs} ms nothing will ever happen again`);
      if (next.atMs > endMs) throw new Error(`not done after ${limitMs} ms of virtual time`);
      this.#fire(next);
    }
  }

  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    await macrotask();
    for (let next = this.#next(); next !== undefined && next.atMs <= endMs; next = this.#next()) {
      this.#fire(next);
      await macrotask();
    }
    this.#nowMs = endMs;
  }

  #fire(timer: Timer): void {
    this.#timers.delete(timer);
    this.#nowMs = Math.max(this.#nowMs, timer.atMs);
    timer.fire();
  }

  #next(): Timer | undefined {
    let next: Timer | undefined;
    // Of equal times the one that was set first.
    for (const timer of this.#timers) if (next === undefined || timer.atMs < next.atMs) next = timer;
    return next;
  }
}

/** All promise reactions run before it. */
function macrotask(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
