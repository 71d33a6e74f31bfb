import type { Clock } from '../util/clock.ts';
import { childController } from '../util/deadline.ts';

/** One for all: an error with its stack for each ring would cost more than the look that follows. */
const RUNG = new DOMException('the alarm rang', 'AbortError');

/** Lets a loop sleep on its own clock until a deadline or until somebody rings; a ring during work is not lost. */
export class Alarm {
  readonly #clock: Clock;
  #rung = false;
  #wake: (() => void) | undefined;

  constructor(parts: { readonly clock: Clock }) {
    this.#clock = parts.clock;
  }

  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  /** Rejects with the signal's reason when it fires. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (!this.#rung) {
      const { controller, release } = childController(signal);
      this.#wake = () => controller.abort(RUNG);
      try {
        await this.#clock.sleep(Math.max(1, ms), controller.signal);
      } catch (error) {
        if (!controller.signal.aborted) throw error;
      } finally {
        this.#wake = undefined;
        release();
      }
      signal.throwIfAborted();
    }
    this.#rung = false;
  }
}
