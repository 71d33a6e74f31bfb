import type { Clock } from '../util/clock.ts';

/**
 * Lets a loop sleep on its own clock until a deadline or until somebody rings; a ring during work is not lost. A loop that
 * is woken for each piece asks for a deadline each time, and hardly ever sleeps until it: the clock is only asked again
 * when the new one is earlier, so that a wait may end before its time.
 */
export class Alarm implements Disposable {
  readonly #clock: Clock;
  #rung = false;
  #wake: (() => void) | undefined;
  #sleep: { readonly untilMs: number; readonly controller: AbortController } | undefined;

  constructor(parts: { readonly clock: Clock }) {
    this.#clock = parts.clock;
  }

  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  async wait(ms: number): Promise<void> {
    if (!this.#rung) {
      this.#sleepUntil(this.#clock.monotonic() + Math.max(1, ms));
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
    this.#rung = false;
  }

  /** Nobody waits any more. */
  [Symbol.dispose](): void {
    this.#sleep?.controller.abort();
    this.#sleep = undefined;
  }

  #sleepUntil(untilMs: number): void {
    if (this.#sleep !== undefined) {
      if (this.#sleep.untilMs <= untilMs) return;
      this.#sleep.controller.abort();
    }
    const sleep = { untilMs, controller: new AbortController() };
    this.#sleep = sleep;
    this.#clock.sleep(untilMs - this.#clock.monotonic(), sleep.controller.signal).then(
      () => {
        if (this.#sleep === sleep) this.#sleep = undefined;
        this.#wake?.();
      },
      () => undefined,
    );
  }
}
