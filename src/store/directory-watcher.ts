import { type FSWatcher, watch } from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '../util/errors.ts';
import type { Log } from '../util/log.ts';

export interface DirectoryWatcherParts {
  readonly log: Log;
  /** `fs.watch`; a test passes one that runs out of watches. */
  readonly watch?: (path: string, listener: (event: string, name: string | null) => void) => FSWatcher;
}

/**
 * Tells which entries of watched directories may have changed. One inotify watch per directory: libraries that watch
 * each file as well run out of watches at ten thousand models.
 */
export class DirectoryWatcher implements AsyncDisposable {
  readonly #root: string;
  readonly #onChange: (relativePath: string) => void;
  readonly #log: Log;
  readonly #watch: NonNullable<DirectoryWatcherParts['watch']>;
  readonly #watchers = new Map<string, { readonly watcher: FSWatcher; readonly identity: string }>();
  readonly #unwatched = new Set<string>();
  #reason = '';
  #warned = false;

  constructor(
    options: { readonly root: string; readonly onChange: (relativePath: string) => void },
    parts: DirectoryWatcherParts,
  ) {
    this.#root = options.root;
    this.#onChange = options.onChange;
    this.#log = parts.log;
    this.#watch = parts.watch ?? ((path, listener) => watch(path, { persistent: false }, listener));
  }

  /** Watched directories. */
  get size(): number {
    return this.#watchers.size;
  }

  /** Directories whose changes only the periodic scan sees. */
  get unwatched(): number {
    return this.#unwatched.size;
  }

  /**
   * `directory` is relative to the root, `''` for the root itself. A watch follows the directory, not its name: one that
   * was replaced, or over which something was mounted, is watched anew. `identity` tells the two apart; the inode alone
   * does not, because it is free for the next when a directory is deleted.
   */
  add(directory: string, identity: string): void {
    const before = this.#watchers.get(directory);
    if (before?.identity === identity) return;
    before?.watcher.close();
    this.#watchers.delete(directory);
    try {
      const watcher = this.#watch(join(this.#root, directory), (_event, name) => {
        if (name !== null) this.#onChange(directory === '' ? name : `${directory}/${name}`);
      });
      watcher.on('error', () => this.#drop(directory, watcher));
      this.#watchers.set(directory, { watcher, identity });
      this.#unwatched.delete(directory);
    } catch (error) {
      const errno = errnoOf(error);
      if (errno !== 'ENOENT' && errno !== 'ENOTDIR') this.#fail(directory, errno ?? String(error));
    }
  }

  get problem(): string | undefined {
    if (this.#unwatched.size === 0) return undefined;
    return `${this.#unwatched.size} directories cannot be watched: ${this.#reason}`;
  }

  has(directory: string): boolean {
    return this.#watchers.has(directory) || this.#unwatched.has(directory);
  }

  /** The directory is gone, and what lay in it. */
  remove(directory: string): void {
    const isInside = (path: string): boolean => path === directory || path.startsWith(`${directory}/`);
    for (const [watched, { watcher }] of this.#watchers) {
      if (!isInside(watched)) continue;
      watcher.close();
      this.#watchers.delete(watched);
    }
    for (const path of this.#unwatched) if (isInside(path)) this.#unwatched.delete(path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { watcher } of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
    return Promise.resolve();
  }

  #drop(directory: string, watcher: FSWatcher): void {
    watcher.close();
    if (this.#watchers.get(directory)?.watcher === watcher) this.#watchers.delete(directory);
  }

  #fail(directory: string, reason: string): void {
    const isLimit = reason === 'ENOSPC' || reason === 'EMFILE';
    this.#unwatched.add(directory);
    this.#reason = isLimit ? 'the limit of inotify watches is reached' : reason;
    if (this.#warned) return;
    this.#warned = true;
    this.#log.warn(
      {
        reason,
        watched: this.#watchers.size,
        remedy: isLimit
          ? 'sysctl -w fs.inotify.max_user_watches=524288 fs.inotify.max_user_instances=1024'
          : 'Put the models directory on a local file system, if this one cannot be watched.',
      },
      'not every directory can be watched, changes there are only seen by scanning',
    );
  }
}
