import type { BigIntStats, Dirent } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../util/clock.ts';
import { childController } from '../util/deadline.ts';
import { errnoOf, messageOf } from '../util/errors.ts';
import type { Log } from '../util/log.ts';
import { Wake } from '../util/wake.ts';
import type { Catalog } from './catalog.ts';
import type { ClaimedPaths } from './claimed-paths.ts';
import { DirectoryWatcher, type DirectoryWatcherParts } from './directory-watcher.ts';
import { FileHashing } from './file-hashing.ts';
import { sameStamp, stampOf } from './file-stamp.ts';
import type { Hasher } from './hasher.ts';
import { canBeNamed, directoryMarkedBy, isHidden, ModelFolders } from './scan-rules.ts';
import { verifyFile } from './verify-file.ts';

export interface ScannerOptions {
  /** A real path, without links. */
  readonly modelsDir: string;
  /** A file is hashed when it has been left alone for so long. */
  readonly settleMs: number;
  readonly rescanMs: number;
}

export interface ScannerParts {
  readonly catalog: Catalog;
  readonly claims: ClaimedPaths;
  readonly hasher: Hasher;
  readonly clock: Clock;
  readonly log: Log;
  readonly watch?: DirectoryWatcherParts['watch'];
}

/** Where not everything can be watched, this is how late a change may be seen. */
const UNWATCHED_RESCAN_MS = 30_000;
const STAT_BATCH = 64;
/** Short, because a file that was deleted is announced until it is seen. */
const GATHER_MS = 5;

/**
 * Keeps the catalog true to the directory: by watching it, and by looking at all of it from time to time. Who looks like
 * what was hashed before is taken as such; who is new or looks different is withdrawn first, left until nobody has
 * written to it for a while, then hashed. Links are passed over, so that nothing outside the directory is ever served.
 *
 * Two loops side by side, so that a change is seen while a scan is under way. Every look is by itself and may be repeated;
 * a file that is settling or being hashed is only looked at by the one who does that.
 */
export class Scanner implements AsyncDisposable {
  readonly #options: ScannerOptions;
  readonly #parts: ScannerParts;
  readonly #watcher: DirectoryWatcher;
  readonly #folders = new ModelFolders();
  readonly #hashing: FileHashing;
  readonly #touched = new Set<string>();
  readonly #changeWake = new Wake();
  readonly #scanWake = new Wake();
  readonly #firstScan = Promise.withResolvers<undefined>();
  #rescans: (() => void)[] = [];
  #isRootMissing = false;
  #hasEnded = false;

  constructor(options: ScannerOptions, parts: ScannerParts) {
    this.#options = options;
    this.#parts = parts;
    const { log, watch } = parts;
    const onChange = (path: string): void => this.#touch(path);
    this.#watcher = new DirectoryWatcher(
      { root: options.modelsDir, onChange },
      { log, ...(watch === undefined ? {} : { watch }) },
    );
    this.#hashing = new FileHashing(options, { ...parts, onEnd: onChange });
    parts.claims.on('free', onChange);
  }

  /** Resolves when every file has been looked at once, or the end has come; what is new may still be hashed. */
  get firstScan(): Promise<undefined> {
    return this.#firstScan.promise;
  }

  /** `problem` says why changes in some directories are only seen by scanning, if they are. */
  get watching(): { readonly directories: number; readonly problem: string | undefined } {
    return { directories: this.#watcher.size, problem: this.#watcher.problem };
  }

  /** Files that are settling or being hashed. */
  get pending(): number {
    return this.#hashing.pending;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { controller, release } = childController(signal);
    const loops = [this.#scanLoop(controller.signal), this.#changeLoop(controller.signal)];
    for (const loop of loops) loop.catch((error: unknown) => controller.abort(error));
    try {
      await Promise.all(loops);
    } finally {
      controller.abort();
      release();
      await Promise.allSettled(loops);
      this.#hasEnded = true;
      this.#firstScan.resolve(undefined);
      for (const resolve of this.#rescans.splice(0)) resolve();
    }
  }

  /** Resolves when the whole directory has been looked at again. */
  async rescan(): Promise<void> {
    if (this.#hasEnded) return;
    await new Promise<void>((resolve) => {
      this.#rescans.push(resolve);
      this.#scanWake.notify();
    });
  }

  /** Somebody found the file different from what the catalog says: it is withdrawn now, before anything else happens. */
  suspect(path: string): void {
    if (this.#parts.catalog.fileAt(path) !== undefined) this.#parts.catalog.suspend(path, 'settling');
    this.#touch(path);
  }

  /**
   * Reads every byte again. A file whose bytes have changed although nobody has written to it is damaged: it stays
   * withdrawn, as `corrupt`, until it is replaced or deleted.
   */
  async verify(paths: readonly string[], signal: AbortSignal): Promise<{ path: string; ok: boolean }[]> {
    const parts = { ...this.#parts, suspect: (path: string) => this.suspect(path) };
    const results = paths.map((path) => ({ path, ok: false }));
    const queue = results.values();
    const worker = async (): Promise<void> => {
      for (const one of queue) {
        one.ok = await verifyFile(this.#options.modelsDir, one.path, parts, signal);
        // It may have gone since it was read.
        this.#touch(one.path);
      }
    };
    await Promise.all(Array.from({ length: this.#parts.hasher.workers }, worker));
    return results;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#watcher[Symbol.asyncDispose]();
  }

  async #scanLoop(signal: AbortSignal): Promise<void> {
    for (;;) {
      const waiting = this.#rescans.length;
      await this.#scan('', signal);
      this.#parts.catalog.refresh();
      // Who has come during the scan waits for the next; who waits when the end comes is let go by `run`.
      for (const resolve of this.#rescans.splice(0, waiting)) resolve();
      this.#firstScan.resolve(undefined);
      const { rescanMs } = this.#options;
      const restMs = this.#watcher.unwatched > 0 ? Math.min(rescanMs, UNWATCHED_RESCAN_MS) : rescanMs;
      await this.#scanWake.wait(restMs, signal);
    }
  }

  async #changeLoop(signal: AbortSignal): Promise<void> {
    for (;;) {
      const touched = [...this.#touched];
      this.#touched.clear();
      for (const path of touched) {
        // One who is being written tells of every write; the settling shows what came of it.
        if (!isHidden(path) && !this.#hashing.has(path)) await this.#look(path, signal);
      }
      const restMs = this.#hashing.start(signal);
      // A file that is being written tells of every write: one look at it stands for many.
      if (await this.#changeWake.wait(restMs, signal)) await this.#parts.clock.sleep(GATHER_MS, signal);
    }
  }

  #touch(path: string): void {
    this.#touched.add(path);
    this.#changeWake.notify();
  }

  /** Looks at everything below `directory`, and at what the catalog believes to be there. */
  async #scan(directory: string, signal: AbortSignal): Promise<void> {
    const seen = new Set<string>();
    await this.#walk(directory, seen, signal);
    const prefix = directory === '' ? '' : `${directory}/`;
    for (const path of this.#parts.catalog.presentPaths()) {
      if (path.startsWith(prefix) && !seen.has(path)) await this.#look(path, signal);
    }
  }

  async #walk(directory: string, seen: Set<string>, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const entries = await this.#list(directory);
    if (entries === undefined) return;
    const files: string[] = [];
    const directories: string[] = [];
    for (const entry of entries) {
      if (isHidden(entry.name)) continue;
      const path = directory === '' ? entry.name : `${directory}/${entry.name}`;
      // Links are neither: what they lead to is only taken from where it really is.
      if (entry.isDirectory()) directories.push(path);
      else if (entry.isFile()) files.push(path);
    }
    if (files.some((path) => directoryMarkedBy(path) !== undefined)) this.#folders.mark(directory);
    else this.#folders.unmark(directory);
    for (let at = 0; at < files.length; at += STAT_BATCH) {
      const batch = files.slice(at, at + STAT_BATCH);
      for (const path of batch) seen.add(path);
      await Promise.all(batch.map((path) => this.#look(path, signal)));
    }
    for (const path of directories) await this.#walk(path, seen, signal);
  }

  /** Undefined for a directory that is none, or cannot be read: what was known of it counts as lost for now. */
  async #list(directory: string): Promise<Dirent[] | undefined> {
    const absolute = join(this.#options.modelsDir, directory);
    try {
      const stats = await lstat(absolute, { bigint: true });
      if (!stats.isDirectory()) return undefined;
      // Watched before it is read, so that nothing falls between the two.
      this.#watcher.add(directory, `${stats.ino} ${stats.birthtimeNs}`);
      const entries = await readdir(absolute, { withFileTypes: true });
      if (directory === '') this.#isRootMissing = false;
      return entries;
    } catch (error) {
      this.#unlistable(directory, error);
      return undefined;
    }
  }

  #unlistable(directory: string, error: unknown): void {
    const { log } = this.#parts;
    if (directory !== '') {
      if (errnoOf(error) !== 'ENOENT') log.warn({ directory, problem: messageOf(error) }, 'directory cannot be read');
      return;
    }
    if (this.#isRootMissing) return;
    this.#isRootMissing = true;
    const remedy = 'Mount or make it: what was in it is known and not hashed again.';
    log.error(
      { modelsDir: this.#options.modelsDir, problem: messageOf(error), remedy },
      'models directory is not there',
    );
  }

  async #look(path: string, signal: AbortSignal): Promise<void> {
    const stats = await lstat(join(this.#options.modelsDir, path), { bigint: true }).catch(() => undefined);
    if (stats?.isDirectory() === true) {
      await this.#noFile(path);
      await this.#scan(path, signal);
    } else if (stats?.isFile() === true && canBeNamed(path)) {
      await this.#lookAtFile(path, stats, signal);
    } else {
      await this.#gone(path, signal);
    }
  }

  async #lookAtFile(path: string, stats: BigIntStats, signal: AbortSignal): Promise<void> {
    const { catalog } = this.#parts;
    const marked = directoryMarkedBy(path);
    if (marked !== undefined && !this.#folders.isMarked(marked)) {
      // What lies beside it was of no interest until now. Marked first, lest a folder that cannot be listed be scanned for ever.
      this.#folders.mark(marked);
      await this.#scan(marked, signal);
      return;
    }
    const known = catalog.rememberedAt(path);
    if (known === undefined && !this.#folders.concerns(path)) return;
    if (this.#hashing.has(path) || this.#parts.claims.has(path)) return;
    const stamp = stampOf(stats);
    if (known !== undefined && sameStamp(known.stamp, stamp)) {
      catalog.confirm(path);
      return;
    }
    // Files that share their bytes may share their inode: a write to one is a write to all, and seen at one name only.
    if (catalog.fileAt(path) !== undefined && known !== undefined) {
      for (const twin of catalog.pathsOf(known.sha256)) if (twin !== path) this.#touch(twin);
    }
    this.#hashing.settle(path, stamp);
    // A scan finds files, too, while the loop that hashes them sleeps.
    this.#changeWake.notify();
  }

  async #gone(path: string, signal: AbortSignal): Promise<void> {
    if (this.#watcher.has(path)) {
      this.#watcher.remove(path);
      this.#folders.unmark(path);
      await this.#scan(path, signal);
    }
    const marked = directoryMarkedBy(path);
    if (marked !== undefined && this.#folders.isMarked(marked)) {
      this.#folders.unmark(marked);
      await this.#scan(marked, signal);
    }
    await this.#noFile(path);
  }

  async #noFile(path: string): Promise<void> {
    const { catalog, log } = this.#parts;
    this.#hashing.forget(path);
    if (!catalog.isPresent(path)) return;
    await catalog.lose(path);
    log.info({ path }, 'file is gone');
  }
}
