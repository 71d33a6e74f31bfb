import { isAbort } from '../util/errors.ts';
import type { RateLimiter } from './bandwidth.ts';

/**
 * A download's place in the queue of a rate limiter: it holds the right to ask for one more piece, or waits for it.
 * One at a time, so that a bulk download does not take minutes of the line before a small one comes along.
 */
export class Grant {
  readonly #limiter: RateLimiter | undefined;
  readonly #bytes: number;
  readonly #onReady: () => void;
  #state: 'none' | 'waiting' | 'ready' = 'none';

  constructor(options: { readonly bytes: number; readonly onReady: () => void }, limiter: RateLimiter | undefined) {
    this.#limiter = limiter;
    this.#bytes = options.bytes;
    this.#onReady = options.onReady;
  }

  get waiting(): boolean {
    return this.#state === 'waiting';
  }

  /** Whether a piece may be asked for now; if not, `onReady` is called when it may. */
  ready(signal: AbortSignal): boolean {
    if (this.#limiter === undefined || this.#limiter.bytesPerSecond === Infinity) return true;
    if (this.#state === 'none') void this.#wait(this.#limiter, signal);
    return this.#state === 'ready';
  }

  use(): void {
    if (this.#state === 'ready') this.#state = 'none';
  }

  async #wait(limiter: RateLimiter, signal: AbortSignal): Promise<void> {
    this.#state = 'waiting';
    try {
      await limiter.take(this.#bytes, signal);
      this.#state = 'ready';
      this.#onReady();
    } catch (error) {
      this.#state = 'none';
      if (!isAbort(error) && !signal.aborted) throw error;
    }
  }
}
