/** Time as a parameter: the daemon passes `systemClock`, tests and simulations their own. */
export interface Clock {
  /** Wall clock, milliseconds since the epoch. */
  now(): number;
  /** Never goes back; milliseconds from an arbitrary start. */
  monotonic(): number;
  /** Resolves after `ms`; rejects with an AbortError when `signal` fires first. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      const onAbort = (): void => {
        clearTimeout(timer);
        reject(abortOf(signal));
      };
      const timer = setTimeout(() => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      }, ms);
      if (signal.aborted) onAbort();
      else signal.addEventListener('abort', onAbort, { once: true });
    }),
};

/** The reason itself where it is one: making an error, with its stack, costs more than most of what waits here. */
function abortOf(signal: AbortSignal): Error {
  const { reason } = signal as { readonly reason: unknown };
  if (reason instanceof Error && reason.name === 'AbortError') return reason;
  const error = new Error('the waiting was aborted', { cause: reason });
  error.name = 'AbortError';
  return error;
}
