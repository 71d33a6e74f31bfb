import type { Dirent } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseModelPath } from '../content/model-path.ts';
import type { Clock } from '../util/clock.ts';
import { codeOf, errnoOf, messageOf } from '../util/errors.ts';
import type { Log } from '../util/log.ts';
import { Wake } from '../util/wake.ts';
import type { Catalog } from './catalog.ts';
import { DirectoryWatcher } from './directory-watcher.ts';
import { type FileStamp, sameStamp, stampOf } from './file-stamp.ts';
import type { Hasher } from './hasher.ts';

export interface ScannerOptions {
  readonly modelsDir: string;
  /** A file is hashed when it has been left alone for so long. */
  readonly settleMs: number;
  readonly rescanMs: number;
}

export interface ScannerParts {
  readonly catalog: Catalog;
  readonly hasher: Hasher;
  readonly clock: Clock;
  readonly log: Log;
}

interface Settling {
  stamp: FileStamp;
  /** Monotonic time at which it may be hashed if it is still the same. */
  dueMs: number;
}

const LOOK_MS = 100;
const FAILED_AGAIN_MS = 30_000;
const STAT_BATCH = 64;

/**
 * Keeps the catalog true to the directory. Who looks like what was hashed before is taken as such; who is new or looks
 * different is withdrawn first, left until nobody has written to it for a while, then hashed. Links are passed over, so
 * that nothing outside the directory is ever served.
 */
export class Scanner implements AsyncDisposable {
  readonly #options: ScannerOptions;
  readonly #parts: ScannerParts;
  readonly #watcher: DirectoryWatcher;
  readonly #settling = new Map<string, Settling>();
  readonly #hashing = new Set<string>();
  readonly #touched = new Set<string>();
  readonly #wake = new Wake();
  readonly #firstScan = Promise.withResolvers<undefined>();
  #rescanWanted: (() => void)[] = [];

  constructor(options: ScannerOptions, parts: ScannerParts) {
    this.#options = options;
    this.#parts = parts;
    this.#watcher = new DirectoryWatcher(
      { root: options.modelsDir, onChange: (path) => this.#touch(path) },
      { log: parts.log },
    );
  }

  /** Resolves when every file has been looked at once; what is new may still be settling or hashed. */
  get firstScan(): Promise<undefined> {
    return this.#firstScan.promise;
  }

  get watching(): { directories: number; problem: string | undefined } {
    return { directories: this.#watcher.size, problem: this.#watcher.problem };
  }

  /** Files that are settling or being hashed. */
  get pending(): number {
    return this.#settling.size + this.#hashing.size;
  }

  async run(signal: AbortSignal): Promise<void> {
    let nextScanMs = -Infinity;
    while (!signal.aborted) {
      const nowMs = this.#parts.clock.monotonic();
      if (nowMs >= nextScanMs || this.#rescanWanted.length > 0) {
        const waiting = this.#rescanWanted.splice(0);
        await this.#scan('', signal);
        nextScanMs = this.#parts.clock.monotonic() + this.#options.rescanMs;
        for (const resolve of waiting) resolve();
        this.#firstScan.resolve(undefined);
      }
      await this.#lookAtTouched(signal);
      this.#hashSettled(signal);
      const restMs = this.#settling.size > 0 ? LOOK_MS : Math.max(LOOK_MS, nextScanMs - this.#parts.clock.monotonic());
      await this.#wake.wait(restMs, signal);
    }
  }

  /** Resolves when the whole directory has been looked at again. */
  async rescan(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#rescanWanted.push(resolve);
      this.#wake.notify();
    });
  }

  /** Somebody found the file different from what the catalog says: it is withdrawn now, before anything else happens. */
  suspect(path: string): void {
    this.#parts.catalog.suspend(path, 'settling');
    this.#touch(path);
  }

  /**
   * Reads every byte again. A file whose bytes have changed although nobody has written to it is damaged: it stays
   * withdrawn, as `corrupt`, until it is replaced or deleted.
   */
  async verify(paths: readonly string[], signal: AbortSignal): Promise<{ path: string; ok: boolean }[]> {
    return Promise.all(paths.map(async (path) => ({ path, ok: await this.#verifyOne(path, signal) })));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#watcher[Symbol.asyncDispose]();
  }

  async #verifyOne(path: string, signal: AbortSignal): Promise<boolean> {
    const { catalog, hasher, log } = this.#parts;
    const known = catalog.rememberedAt(path);
    if (known === undefined) return false;
    try {
      const hashed = await hasher.hashFile(join(this.#options.modelsDir, path), signal);
      if (hashed.sha256 === known.sha256) {
        await catalog.putFile(path, { ...known, stamp: hashed.stamp });
        return true;
      }
      if (!sameStamp(hashed.stamp, known.stamp)) {
        this.suspect(path);
        return false;
      }
      catalog.suspend(path, 'corrupt');
      const remedy = 'Delete it: if it is wanted, it is fetched again. Check the disk (smartctl, dmesg).';
      log.error(
        { path, expected: known.sha256, found: hashed.sha256, remedy },
        'file is damaged, it is not used any more',
      );
      return false;
    } catch (error) {
      if (signal.aborted) throw error;
      if (codeOf(error) === 'internal') {
        catalog.suspend(path, 'corrupt');
        log.error({ path, err: error }, 'file cannot be read, it is not used any more');
      } else {
        this.suspect(path);
      }
      return false;
    }
  }

  #touch(path: string): void {
    this.#touched.add(path);
    this.#wake.notify();
  }

  async #lookAtTouched(signal: AbortSignal): Promise<void> {
    const touched = [...this.#touched];
    this.#touched.clear();
    if (touched.length === 0) return;
    await this.#parts.catalog.batch(async () => {
      for (const path of touched) {
        // One who is being written tells of every write; the settling shows what came of it.
        if (!this.#settling.has(path) && !isHidden(path)) await this.#look(path, signal);
      }
    });
  }

  /** Looks at everything below `directory`, and takes out what is not there any more. */
  async #scan(directory: string, signal: AbortSignal): Promise<void> {
    const seen = new Set<string>();
    await this.#parts.catalog.batch(async () => {
      await this.#walk(directory, seen, signal);
      const prefix = directory === '' ? '' : `${directory}/`;
      const known = [...this.#parts.catalog.rememberedPaths(), ...this.#parts.catalog.unverified().keys()];
      for (const path of known) {
        if (path.startsWith(prefix) && !seen.has(path)) await this.#gone(path, signal);
      }
    });
  }

  async #walk(directory: string, seen: Set<string>, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    // Watched before it is read, so that nothing falls between the two.
    this.#watcher.add(directory);
    let entries: Dirent[];
    try {
      entries = await readdir(join(this.#options.modelsDir, directory), { withFileTypes: true });
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') {
        this.#parts.log.warn({ directory, problem: messageOf(error) }, 'directory cannot be read');
      }
      return;
    }
    const files: string[] = [];
    for (const entry of entries) {
      const path = directory === '' ? entry.name : `${directory}/${entry.name}`;
      if (isHidden(entry.name)) continue;
      if (entry.isDirectory()) await this.#walk(path, seen, signal);
      else if (entry.isFile()) files.push(path);
    }
    for (let at = 0; at < files.length; at += STAT_BATCH) {
      const batch = files.slice(at, at + STAT_BATCH);
      for (const path of batch) seen.add(path);
      await Promise.all(batch.map((path) => this.#look(path, signal)));
    }
  }

  async #look(path: string, signal: AbortSignal): Promise<void> {
    const stats = await lstat(join(this.#options.modelsDir, path), { bigint: true }).catch(() => undefined);
    if (stats?.isDirectory() === true) {
      if (!this.#watcher.has(path)) await this.#scan(path, signal);
      return;
    }
    if (stats?.isFile() !== true || !canBeNamed(path)) {
      await this.#gone(path, signal);
      return;
    }
    const { catalog } = this.#parts;
    const stamp = stampOf(stats);
    const known = catalog.rememberedAt(path);
    if (known !== undefined && sameStamp(known.stamp, stamp)) {
      // Damage that a verification found does not heal by looking at the stamp.
      if (catalog.unverified().get(path) !== 'corrupt') catalog.confirm(path);
      return;
    }
    if (this.#hashing.has(path)) return; // the hasher sees for itself that it changes
    catalog.suspend(path, 'settling');
    this.#settle(path, stamp);
  }

  async #gone(path: string, signal: AbortSignal): Promise<void> {
    const { catalog, log } = this.#parts;
    this.#settling.delete(path);
    if (this.#watcher.has(path)) {
      this.#watcher.remove(path);
      await this.#scan(path, signal);
    }
    if (catalog.rememberedAt(path) === undefined && !catalog.unverified().has(path)) return;
    await catalog.removeFile(path);
    log.info({ path }, 'file is gone');
  }

  #settle(path: string, stamp: FileStamp): void {
    // How long it has been left alone already is known as far as clocks agree: a change time in the future tells nothing.
    const quietMs = this.#parts.clock.now() - Number(stamp.ctimeNs / 1_000_000n);
    const restMs = quietMs < 0 ? this.#options.settleMs : Math.max(0, this.#options.settleMs - quietMs);
    this.#settling.set(path, { stamp, dueMs: this.#parts.clock.monotonic() + restMs });
  }

  #hashSettled(signal: AbortSignal): void {
    const nowMs = this.#parts.clock.monotonic();
    for (const [path, { stamp, dueMs }] of this.#settling) {
      if (nowMs < dueMs) continue;
      this.#settling.delete(path);
      this.#hashing.add(path);
      this.#hash(path, stamp, signal).catch((error: unknown) => {
        if (!signal.aborted) this.#parts.log.error({ path, err: error }, 'file could not be catalogued');
      });
    }
  }

  async #hash(path: string, expected: FileStamp, signal: AbortSignal): Promise<void> {
    const { catalog, hasher, log, clock } = this.#parts;
    const absolute = join(this.#options.modelsDir, path);
    try {
      const stats = await lstat(absolute, { bigint: true }).catch(() => undefined);
      if (stats?.isFile() !== true) return;
      if (!sameStamp(stampOf(stats), expected)) {
        this.#settle(path, stampOf(stats));
        return;
      }
      const known = catalog.fileAt(path);
      if (known !== undefined && sameStamp(known.stamp, expected)) return; // installed by us meanwhile
      catalog.suspend(path, 'hashing');
      const startMs = clock.monotonic();
      const hashed = await hasher.hashFile(absolute, signal);
      if (hashed.truncated) {
        catalog.suspend(path, 'corrupt');
        log.warn({ path }, 'file does not have the length that its header says, it is not used');
        return;
      }
      await catalog.putManifest(hashed.manifestBytes);
      const { stamp, sha256, manifestCid: manifest, metadata } = hashed;
      await catalog.putFile(path, { stamp, sha256, manifest, ...(metadata === undefined ? {} : { metadata }) });
      log.info({ path, sha256, bytes: stamp.sizeBytes, ms: Math.round(clock.monotonic() - startMs) }, 'file hashed');
    } catch (error) {
      if (signal.aborted) throw error;
      this.#hashFailed(path, expected, error);
    } finally {
      this.#hashing.delete(path);
      // Whatever happened to it meanwhile was not looked at.
      this.#touch(path);
    }
  }

  #hashFailed(path: string, stamp: FileStamp, error: unknown): void {
    const { catalog, clock, log } = this.#parts;
    // It is being written or has gone: the look that follows sees which.
    if (codeOf(error) === 'changed' || codeOf(error) === 'not-found') return;
    catalog.suspend(path, 'corrupt');
    log.error({ path, err: error }, 'file cannot be hashed, it is tried again later');
    this.#settling.set(path, { stamp, dueMs: clock.monotonic() + FAILED_AGAIN_MS });
  }
}

function isHidden(path: string): boolean {
  return path.split('/').some((name) => name.startsWith('.'));
}

/** A file whose name no other node would accept is not announced at all. */
function canBeNamed(path: string): boolean {
  try {
    parseModelPath(path);
    return true;
  } catch {
    return false;
  }
}
