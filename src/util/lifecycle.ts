import { isAbort } from './errors.ts';
import type { Log } from './log.ts';

/**
 * Runs the daemon's loops side by side and closes its parts in reverse order of `own`.
 * A loop that ends with an error (an abort is none) ends all of them: the process is then restarted from a known state.
 */
export class Lifecycle {
  readonly #controller = new AbortController();
  readonly #log: Log;
  readonly #loops: Promise<void>[] = [];
  readonly #owned: { name: string; part: AsyncDisposable }[] = [];
  #failure: Error | undefined;

  constructor(options: { log: Log }) {
    this.#log = options.log;
  }

  /** Fires when the daemon is to end. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  own<T extends AsyncDisposable>(name: string, part: T): T {
    this.#owned.push({ name, part });
    return part;
  }

  run(name: string, loop: (signal: AbortSignal) => Promise<void>): void {
    const running = loop(this.signal).catch((error: unknown) => {
      if (isAbort(error) || this.signal.aborted) return;
      this.#log.error({ err: error, loop: name }, 'loop failed, the daemon ends');
      this.#failure ??= error instanceof Error ? error : new Error(String(error));
      this.stop();
    });
    this.#loops.push(running);
  }

  stop(): void {
    this.#controller.abort(new DOMException('the daemon is ending', 'AbortError'));
  }

  /** Resolves when stopped and everything is closed; rejects with the error that ended a loop. */
  async finished(): Promise<void> {
    if (!this.signal.aborted) {
      await new Promise<void>((resolve) => this.signal.addEventListener('abort', () => resolve(), { once: true }));
    }
    await Promise.allSettled(this.#loops);
    for (const { name, part } of this.#owned.reverse()) {
      try {
        await part[Symbol.asyncDispose]();
      } catch (error) {
        this.#log.warn({ err: error, part: name }, 'part did not close cleanly');
      }
    }
    if (this.#failure !== undefined) throw this.#failure;
  }
}
