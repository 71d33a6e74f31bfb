/** Runs one job at a time, in the order of asking. */
export class Line {
  #last: Promise<unknown> = Promise.resolve();

  async run<T>(job: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const before = this.#last;
    const mine = (async () => {
      await before;
      signal.throwIfAborted();
      return await job();
    })();
    this.#last = mine.catch(() => undefined);
    return await mine;
  }
}
