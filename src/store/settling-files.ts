import type { FileStamp } from './file-stamp.ts';

interface Settled {
  readonly path: string;
  readonly stamp: FileStamp;
}

/** Files that are left alone until nobody has written to them for a while, and those that may be hashed now. */
export class SettlingFiles {
  readonly #waiting = new Map<string, { readonly stamp: FileStamp; readonly dueMs: number }>();
  readonly #settled = new Map<string, Settled>();
  /** Largest first; entries that `#settled` does not hold any more are passed over. */
  #queue: Settled[] = [];

  get size(): number {
    return this.#waiting.size + this.#settled.size;
  }

  has(path: string): boolean {
    return this.#waiting.has(path) || this.#settled.has(path);
  }

  /** `dueMs` (monotonic): when it may be hashed, if it still looks like `stamp` then. */
  put(path: string, stamp: FileStamp, dueMs: number): void {
    this.#settled.delete(path);
    this.#waiting.set(path, { stamp, dueMs });
  }

  delete(path: string): void {
    this.#waiting.delete(path);
    this.#settled.delete(path);
  }

  /** Takes out the smallest file that is due: a dozen LoRAs need not wait for a checkpoint of 100 GB. */
  takeDue(nowMs: number): Settled | undefined {
    this.#promote(nowMs);
    for (let next = this.#queue.pop(); next !== undefined; next = this.#queue.pop()) {
      if (this.#settled.get(next.path) === next) {
        this.#settled.delete(next.path);
        return next;
      }
    }
    return undefined;
  }

  /** When the next file settles; undefined when none is waited for. */
  nextDueMs(): number | undefined {
    let next: number | undefined;
    for (const { dueMs } of this.#waiting.values()) if (next === undefined || dueMs < next) next = dueMs;
    return next;
  }

  #promote(nowMs: number): void {
    let promoted = false;
    for (const [path, { stamp, dueMs }] of this.#waiting) {
      if (dueMs > nowMs) continue;
      const settled = { path, stamp };
      this.#waiting.delete(path);
      this.#settled.set(path, settled);
      this.#queue.push(settled);
      promoted = true;
    }
    if (promoted) this.#queue.sort((a, b) => b.stamp.sizeBytes - a.stamp.sizeBytes);
  }
}
