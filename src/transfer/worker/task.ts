import { setImmediate as immediate } from 'node:timers/promises';
import { errnoOf, ShoalError } from '../../util/errors.ts';
import type { Control, TaskFact } from '../data-orders.ts';

/** What a running task may do: tell facts, take controls, look whether it is still wanted. */
export interface TaskContext {
  readonly signal: AbortSignal;
  tell(fact: TaskFact, transfer?: readonly ArrayBuffer[]): void;
  /** What may come a few milliseconds later, with others. */
  soon(fact: TaskFact): void;
  /** What may come a little later: it wakes nobody by itself. */
  mention(fact: TaskFact): void;
  /** Controls that came before the task was ready are kept for it. */
  onControl(listener: (control: Control) => void): void;
}

/** Between two steps of synchronous work: lets the worker's other tasks and its controls have their turn. */
export async function breathe(signal: AbortSignal): Promise<void> {
  await immediate();
  signal.throwIfAborted();
}

/**
 * A message to the main thread costs it about as much as 100 KiB cost the network. Who is silent is found out after
 * seconds, and a piece that is here sooner tells of itself by its end.
 */
const PROGRESS_MS = 100;
/** That it has begun to come is told soon: the round trip is measured by it, and it is not asked of others any more. */
const FIRST_PROGRESS_MS = 5;

/** Tells progress often enough for stall detection and seldom enough to cost nothing; what comes last the end tells. */
export class Progress {
  readonly #context: TaskContext;
  #bytes = 0;
  #toldMs: number | undefined;
  #hasBegun = false;

  constructor(context: TaskContext) {
    this.#context = context;
  }

  add(bytes: number): void {
    this.#bytes += bytes;
    const nowMs = performance.now();
    this.#toldMs ??= nowMs - PROGRESS_MS + FIRST_PROGRESS_MS;
    if (nowMs - this.#toldMs < PROGRESS_MS) return;
    this.#toldMs = nowMs;
    if (this.#hasBegun) this.#context.mention(this.#fact());
    else this.flush();
    this.#hasBegun = true;
  }

  /** For work whose end does not say how many bytes there were. */
  flush(): void {
    if (this.#bytes === 0) return;
    this.#context.tell(this.#fact());
  }

  #fact(): TaskFact {
    const fact = { kind: 'progress', bytes: this.#bytes } as const;
    this.#bytes = 0;
    return fact;
  }
}

/** Errors of the local disk, in terms of what the caller can do. */
export function diskError(error: unknown): unknown {
  const errno = errnoOf(error);
  if (errno !== 'ENOSPC' && errno !== 'EDQUOT') return error;
  return new ShoalError('disk-full', 'the models directory is full', {
    cause: error,
    remedy: 'Free space on its file system; the download goes on by itself.',
  });
}

/** Whatever goes wrong while an origin's file is read is the origin's going. */
export function sourceError(error: unknown): unknown {
  const errno = errnoOf(error);
  if (errno === undefined || error instanceof ShoalError) return error;
  return new ShoalError('source-gone', `the origin's file cannot be read (${errno})`, { cause: error });
}
