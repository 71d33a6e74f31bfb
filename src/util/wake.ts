/** Lets a loop sleep until its period is over or somebody has news; news during work are not lost. */
export class Wake {
  #pending = false;
  #resolve: (() => void) | undefined;

  notify(): void {
    this.#pending = true;
    this.#resolve?.();
  }

  /** Resolves with true for news, false after `ms`; rejects with the signal's reason when it fires. */
  async wait(ms: number, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted();
    if (!this.#pending) {
      await new Promise<void>((resolve, reject) => {
        const settle = (): void => {
          clearTimeout(timer);
          signal.removeEventListener('abort', onAbort);
          this.#resolve = undefined;
        };
        const onAbort = (): void => {
          settle();
          reject(signal.reason as Error);
        };
        const timer = setTimeout(() => {
          settle();
          resolve();
        }, ms);
        signal.addEventListener('abort', onAbort, { once: true });
        this.#resolve = () => {
          settle();
          resolve();
        };
      });
    }
    const woken = this.#pending;
    this.#pending = false;
    return woken;
  }
}
