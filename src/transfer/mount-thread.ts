import { ShoalError } from '../util/errors.ts';
import type { ResultOf, TaskFact, TaskKind, TaskOrder } from './data-orders.ts';
import type { WorkerThread } from './worker-thread.ts';

/** Disks of a NAS that have gone to sleep need about ten seconds; a mount that hangs needs for ever. */
const SILENCE_MS = 12_000;

/**
 * Runs a task on the thread of a mount, and gives up when it falls silent: the system call may hang for ever then, and
 * with it the thread, but nobody else.
 * @throws ShoalError `source-stalled`
 */
export async function runOnMount<K extends TaskKind>(
  thread: WorkerThread,
  order: Extract<TaskOrder, { kind: K }>,
  options: { readonly onFact?: (fact: TaskFact) => void; readonly silenceMs?: number },
  signal: AbortSignal,
): Promise<ResultOf<K>> {
  signal.throwIfAborted();
  if (thread.hung) throw stalled();
  const { silenceMs = SILENCE_MS, onFact } = options;
  const { promise, resolve, reject } = Promise.withResolvers<ResultOf<K>>();
  const task = thread.start<K>(order, (fact) => {
    timer.refresh();
    onFact?.(fact);
  });
  const giveUp = (error: Error): void => {
    task.cancel();
    reject(error);
  };
  const timer = setTimeout(() => giveUp(stalled()), silenceMs);
  const onAbort = (): void => giveUp(signal.reason as Error);
  signal.addEventListener('abort', onAbort, { once: true });
  task.ended.then(resolve, reject);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

function stalled(): ShoalError {
  return new ShoalError('source-stalled', 'the mounted directory does not answer', {
    remedy: 'Look whether its file server is up; it is used again as soon as it answers.',
  });
}
