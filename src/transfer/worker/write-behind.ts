import { write } from 'node:fs';
import { writeFully } from './full-io.ts';

/** Steps that come more quickly are more than 100 MiB/s: they wait for the worker, not for the line or the disk. */
const QUICK_MS = 2.5;

/** What is to be written where. */
export interface Step {
  readonly fd: number;
  readonly bytes: Uint8Array;
  readonly position: number;
}

/**
 * Writes one step beside the worker, in libuv's pool, while the worker decrypts and hashes the next ones; which are
 * written by the worker itself as long as that one is under way, so that a slow disk slows the line. Only one, because
 * all workers and the main thread share the pool, and a disk that hangs keeps its threads. Slow lines gain nothing and
 * are spared the waking of a thread.
 */
export class WriteBehind {
  readonly #now: () => number;
  #spare: Uint8Array | undefined;
  #isBusy = false;
  #lastMs = -Infinity;

  /** @param now milliseconds, monotonic */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /**
   * @param buffer holds the step, and belongs to the write from now on
   * @returns the buffer to go on with; undefined, and nothing begun, when the step is to be written by the caller
   */
  begin(buffer: Uint8Array, step: Step, onEnd: (error?: unknown) => void): Uint8Array | undefined {
    const nowMs = this.#now();
    const isQuick = nowMs - this.#lastMs < QUICK_MS;
    this.#lastMs = nowMs;
    if (!isQuick || this.#isBusy) return undefined;
    const next = this.#spare?.length === buffer.length ? this.#spare : new Uint8Array(buffer.length);
    this.#spare = undefined;
    this.#isBusy = true;
    const { fd, bytes, position } = step;
    write(fd, bytes, 0, bytes.length, position, (error, written) => {
      this.#isBusy = false;
      this.#spare = buffer;
      let problem: unknown = error ?? undefined;
      try {
        if (problem === undefined) writeFully(fd, bytes.subarray(written), position + written);
      } catch (failure) {
        problem = failure;
      }
      onEnd(problem);
    });
    return next;
  }
}
