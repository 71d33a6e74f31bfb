import type { ResultOf, TaskKind } from './data-orders.ts';
import type { Task } from './worker-thread.ts';

/** A task's result, or the reason of the first of the signals that fires, as soon as it does. */
export function cancellable<K extends TaskKind>(
  task: Task<K>,
  ...signals: readonly AbortSignal[]
): Promise<ResultOf<K>> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      unlink();
      task.cancel();
      reject(signals.find(({ aborted }) => aborted)?.reason as Error);
    };
    const unlink = (): void => {
      for (const signal of signals) signal.removeEventListener('abort', onAbort);
    };
    task.ended.finally(unlink).then(resolve, reject);
    for (const signal of signals) signal.addEventListener('abort', onAbort);
    if (signals.some(({ aborted }) => aborted)) onAbort();
  });
}
