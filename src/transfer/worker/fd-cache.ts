import { closeSync, openSync } from 'node:fs';

const MAX_OPEN = 32;
/** A file that was removed keeps its space while it is open: not longer than this after its last use. */
const IDLE_MS = 10_000;

/** Keeps the files that are being read open, the least recently used first to go. */
export class FdCache {
  readonly #open = new Map<string, { readonly fd: number; users: number; usedMs: number; stale: boolean }>();
  #timer: NodeJS.Timeout | undefined;

  /** Lends a descriptor until `release`. */
  take(path: string): { readonly fd: number; release(): void } {
    let entry = this.#open.get(path);
    if (entry === undefined) {
      entry = { fd: openSync(path, 'r'), users: 0, usedMs: 0, stale: false };
      this.#open.set(path, entry);
    }
    const taken = entry;
    taken.users += 1;
    this.#touch(path);
    let released = false;
    return {
      fd: taken.fd,
      release: () => {
        if (released) return;
        released = true;
        taken.users -= 1;
        taken.usedMs = performance.now();
        if (taken.stale && taken.users === 0) closeSync(taken.fd);
        else this.#sweep();
      },
    };
  }

  /** The path means another file now: the next `take` opens it anew. */
  forget(path: string): void {
    const entry = this.#open.get(path);
    if (entry === undefined) return;
    this.#open.delete(path);
    entry.stale = true;
    if (entry.users === 0) closeSync(entry.fd);
  }

  #touch(path: string): void {
    const entry = this.#open.get(path);
    if (entry === undefined) return;
    this.#open.delete(path);
    this.#open.set(path, entry);
  }

  #sweep(): void {
    const now = performance.now();
    for (const [path, entry] of this.#open) {
      if (entry.users === 0 && (this.#open.size > MAX_OPEN || now - entry.usedMs >= IDLE_MS)) this.forget(path);
    }
    if (this.#open.size === 0 || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#sweep();
    }, IDLE_MS).unref();
  }
}
