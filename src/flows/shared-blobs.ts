/**
 * Blobs on their way that several models have in common: two fetches of one blob would write into the same partial, and
 * have every byte sent twice. Who comes later waits for the one that is under way, and begins itself when that comes to
 * nothing.
 */
export class SharedBlobs {
  /** The path of the partial, undefined when it has come to nothing. */
  readonly #running = new Map<string, Promise<string | undefined>>();

  /** @throws what `fetch` throws, and the signal's reason */
  async fetch(
    blob: string,
    fetch: () => Promise<string>,
    signal: AbortSignal,
  ): Promise<{ readonly path: string; readonly isShared: boolean }> {
    for (let other = this.#running.get(blob); other !== undefined; other = this.#running.get(blob)) {
      const path = await unlessAborted(other, signal);
      if (path !== undefined) return { path, isShared: true };
    }
    const fetching = fetch();
    const ended = fetching
      .catch(() => undefined)
      .finally(() => {
        this.#running.delete(blob);
      });
    this.#running.set(blob, ended);
    return { path: await fetching, isShared: false };
  }
}

async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(signal.reason as Error);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
