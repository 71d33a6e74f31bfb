import type { TaskFact } from './data-orders.ts';
import type { Task } from './worker-thread.ts';

/** Slices read ahead of the one that is being sent. */
export const READ_AHEAD_SLICES = 3;

/** A stretch of a served file, slice by slice as the worker reads it, never more than a few ahead. */
export class FileReading {
  readonly #slices: Uint8Array[] = [];
  #task: Task<'read'> | undefined;
  #end: { readonly error: Error | undefined } | undefined;
  #wake: (() => void) | undefined;

  /** Read and not yet taken. */
  get bufferedBytes(): number {
    return this.#slices.reduce((sum, slice) => sum + slice.length, 0);
  }

  readonly onFact = (fact: TaskFact): void => {
    if (fact.kind !== 'slice') return;
    this.#slices.push(new Uint8Array(fact.buffer, 0, fact.length));
    this.#wake?.();
  };

  follow(task: Task<'read'>): this {
    this.#task = task;
    task.ended.then(
      () => this.#finish(undefined),
      (error: unknown) => this.#finish(error as Error),
    );
    return this;
  }

  /** The next slice, undefined after the last. @throws ShoalError `changed` */
  async next(signal: AbortSignal): Promise<Uint8Array | undefined> {
    for (;;) {
      signal.throwIfAborted();
      const slice = this.#slices.shift();
      if (slice !== undefined) {
        this.#task?.control({ kind: 'more', slices: 1 });
        return slice;
      }
      if (this.#end?.error !== undefined) throw this.#end.error;
      if (this.#end !== undefined) return undefined;
      await this.#news(signal);
    }
  }

  /** Must be called when the rest is not wanted. */
  cancel(): void {
    this.#task?.cancel();
    this.#slices.length = 0;
  }

  #finish(error: Error | undefined): void {
    this.#end = { error };
    this.#wake?.();
  }

  async #news(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const settle = (): void => {
        signal.removeEventListener('abort', settle);
        this.#wake = undefined;
        resolve();
      };
      this.#wake = settle;
      signal.addEventListener('abort', settle, { once: true });
    });
  }
}
