import { EventEmitter } from 'node:events';

/**
 * Paths at which we are putting a file, or from which we are taking one: the scanner leaves them alone, or it would hash
 * what we have verified ourselves.
 * When a path is free again it is told, because whatever happened to it meanwhile was not seen.
 */
export class ClaimedPaths extends EventEmitter<{ free: [string] }> {
  readonly #paths = new Set<string>();

  claim(paths: readonly string[]): Disposable {
    for (const path of paths) this.#paths.add(path);
    return {
      [Symbol.dispose]: () => {
        for (const path of paths) {
          this.#paths.delete(path);
          this.emit('free', path);
        }
      },
    };
  }

  has(path: string): boolean {
    return this.#paths.has(path);
  }
}
