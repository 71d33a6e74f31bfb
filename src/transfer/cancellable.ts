import type { ResultOf, TaskKind } from './data-orders.ts';
import type { Task } from './worker-thread.ts';

/** A task's result, or the signal's reason as soon as it fires. */
export async function cancellable<K extends TaskKind>(task: Task<K>, signal: AbortSignal): Promise<ResultOf<K>> {
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => {
      task.cancel();
      reject(signal.reason as Error);
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([task.ended, aborted]);
  } finally {
    if (onAbort !== undefined) signal.removeEventListener('abort', onAbort);
  }
}
