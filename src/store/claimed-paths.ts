import { EventEmitter } from 'node:events';

/**
 * Paths at which we are putting a file, or from which we are taking one: the scanner leaves them alone, or it would hash
 * what we have verified ourselves. So are the other names of such a file, whose change time moves with each link.
 * When a path is free again it is told, because whatever happened to it meanwhile was not seen.
 */
export class ClaimedPaths extends EventEmitter<{ free: [string] }> {
  /** How many claims there are to each. */
  readonly #paths = new Map<string, number>();

  claim(paths: readonly string[]): Disposable {
    for (const path of paths) this.#paths.set(path, (this.#paths.get(path) ?? 0) + 1);
    return {
      [Symbol.dispose]: () => {
        for (const path of paths) this.#release(path);
      },
    };
  }

  has(path: string): boolean {
    return this.#paths.has(path);
  }

  #release(path: string): void {
    const others = (this.#paths.get(path) ?? 1) - 1;
    if (others > 0) {
      this.#paths.set(path, others);
      return;
    }
    this.#paths.delete(path);
    this.emit('free', path);
  }
}
