import type { Clock } from '../src/util/clock.ts';

export interface Event {
  readonly atMs: number;
  /** Orders events of the same time by when they were planned. */
  readonly turn: number;
  fire: (() => void) | undefined;
}

/**
 * Time that passes from event to event, and lets all promises run in between. Network events cost a push on a heap; only
 * those that may have woken somebody who awaits (`stir`) cost a turn of the real event loop.
 */
export class VirtualTime implements Clock {
  readonly #heap: Event[] = [];
  #nowMs = 0;
  #turn = 0;
  #stirred = true;

  /** Events so far. */
  get count(): number {
    return this.#turn;
  }

  now(): number {
    return Date.UTC(2026, 0, 1) + this.#nowMs;
  }

  monotonic(): number {
    return this.#nowMs;
  }

  /** Somebody who awaits may go on: promises have to run before time does. */
  stir(): void {
    this.#stirred = true;
  }

  after(ms: number, fire: () => void): Event {
    const event: Event = { atMs: this.#nowMs + Math.max(0, ms), turn: (this.#turn += 1), fire };
    this.#push(event);
    return event;
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        event.fire = undefined;
        reject(signal.reason as Error);
      };
      const event = this.after(ms, () => {
        signal.removeEventListener('abort', onAbort);
        this.#stirred = true;
        resolve();
      });
      if (signal.aborted) onAbort();
      else signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** Runs until `done`, or until nothing is left to happen or `limitMs` have passed; says whether it was done. */
  async run(done: () => boolean, limitMs: number): Promise<boolean> {
    for (;;) {
      if (this.#stirred) {
        this.#stirred = false;
        await new Promise((resolve) => setImmediate(resolve));
        if (done()) return true;
      }
      const next = this.#pop();
      if (next === undefined || next.atMs > limitMs) return done();
      this.#nowMs = next.atMs;
      next.fire?.();
      while (this.#heap[0]?.atMs === this.#nowMs) this.#pop()?.fire?.();
    }
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || isBefore(parent, event)) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = event;
  }

  #pop(): Event | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      let child = heap[below];
      if (child === undefined) break;
      const right = heap[below + 1];
      if (right !== undefined && isBefore(right, child)) {
        below += 1;
        child = right;
      }
      if (isBefore(last, child)) break;
      heap[at] = child;
      at = below;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.turn < b.turn);
}
