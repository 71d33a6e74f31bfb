import { setTimeout as delay } from 'node:timers/promises';

export { delay };

/**
 * Asks until the answer is neither undefined nor false; throws when `timeoutMs` have passed, with the last error as the
 * cause if asking failed. For what can only be observed from outside.
 */
export async function eventually<T>(
  what: string,
  ask: () => T | Promise<T>,
  options: { timeoutMs?: number; everyMs?: number } = {},
): Promise<Exclude<T, undefined | false>> {
  const { timeoutMs = 15_000, everyMs = 50 } = options;
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    let cause: unknown;
    try {
      const answer = await ask();
      if (answer !== undefined && answer !== false) return answer as Exclude<T, undefined | false>;
    } catch (error) {
      cause = error;
    }
    if (performance.now() > deadline) throw new Error(`${what}: not within ${timeoutMs} ms`, { cause });
    await delay(everyMs);
  }
}
