import { type FSWatcher, watch } from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '../util/errors.ts';
import type { Log } from '../util/log.ts';

/**
 * Tells which entries of watched directories may have changed. One inotify watch per directory: libraries that watch
 * each file as well run out of watches at ten thousand models.
 */
export class DirectoryWatcher implements AsyncDisposable {
  readonly #root: string;
  readonly #onChange: (relativePath: string) => void;
  readonly #log: Log;
  readonly #watchers = new Map<string, FSWatcher>();
  #problem: string | undefined;

  constructor(options: { root: string; onChange: (relativePath: string) => void }, parts: { log: Log }) {
    this.#root = options.root;
    this.#onChange = options.onChange;
    this.#log = parts.log;
  }

  get size(): number {
    return this.#watchers.size;
  }

  /** Why changes are only seen by the next scan, if they are. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** `directory` is relative to the root, `''` for the root itself. */
  add(directory: string): void {
    if (this.#watchers.has(directory)) return;
    try {
      const watcher = watch(join(this.#root, directory), { persistent: false }, (_event, name) => {
        if (name !== null) this.#onChange(directory === '' ? name : `${directory}/${name}`);
      });
      watcher.on('error', () => this.remove(directory));
      this.#watchers.set(directory, watcher);
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === 'ENOENT' || errno === 'ENOTDIR') return; // gone meanwhile
      this.#fail(errno ?? String(error));
    }
  }

  /** The directory is gone, and what lay in it. */
  remove(directory: string): void {
    for (const [watched, watcher] of this.#watchers) {
      if (watched !== directory && !watched.startsWith(`${directory}/`)) continue;
      watcher.close();
      this.#watchers.delete(watched);
    }
  }

  has(directory: string): boolean {
    return this.#watchers.has(directory);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
    return Promise.resolve();
  }

  #fail(reason: string): void {
    if (this.#problem !== undefined) return;
    this.#problem = reason === 'ENOSPC' ? 'the limit of inotify watches is reached' : `watching failed (${reason})`;
    this.#log.warn(
      { reason, watched: this.#watchers.size, remedy: 'sysctl fs.inotify.max_user_watches=524288' },
      'not every directory can be watched, changes there are seen by the periodic scan',
    );
  }
}
