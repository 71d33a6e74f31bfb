import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../util/clock.ts';
import { codeOf, messageOf } from '../util/errors.ts';
import type { Log } from '../util/log.ts';
import type { Catalog } from './catalog.ts';
import { type FileStamp, sameStamp, stampOf } from './file-stamp.ts';
import type { HashedFile, Hasher } from './hasher.ts';
import { UNFINISHED_ENDING } from './scan-rules.ts';
import { SettlingFiles } from './settling-files.ts';

export interface FileHashingParts {
  readonly catalog: Catalog;
  readonly hasher: Hasher;
  readonly clock: Clock;
  readonly log: Log;
  /** The file may be looked at again: whatever happened to it meanwhile was not seen. */
  readonly onEnd: (path: string) => void;
}

const FAILED_AGAIN_MS = 30_000;
/** When nothing is settling. */
const REST_MS = 60_000;

/** Takes files that are new or changed from the first look at them to the catalog. */
export class FileHashing {
  readonly #options: { readonly modelsDir: string; readonly settleMs: number };
  readonly #parts: FileHashingParts;
  readonly #settling = new SettlingFiles();
  readonly #hashing = new Set<string>();
  /** Hashing them again would show the same. */
  readonly #refused = new Map<string, FileStamp>();

  /** Said once, tried again and again. */
  readonly #unreadable = new Set<string>();

  constructor(options: { readonly modelsDir: string; readonly settleMs: number }, parts: FileHashingParts) {
    this.#options = options;
    this.#parts = parts;
  }

  get pending(): number {
    return this.#settling.size + this.#hashing.size;
  }

  has(path: string): boolean {
    return this.#settling.has(path) || this.#hashing.has(path);
  }

  /** Withdraws the file and waits until it is left alone. */
  settle(path: string, stamp: FileStamp): void {
    const { catalog, clock } = this.#parts;
    const refused = this.#refused.get(path);
    if (refused !== undefined && sameStamp(refused, stamp)) {
      catalog.suspend(path, 'corrupt');
      return;
    }
    catalog.suspend(path, 'settling');
    const { settleMs } = this.#options;
    // How long it has been left alone already is known as far as clocks agree: a change time in the future tells nothing.
    const quietMs = clock.now() - Number(stamp.ctimeNs / 1_000_000n);
    const restMs = quietMs < 0 ? settleMs : Math.max(0, settleMs - quietMs);
    this.#settling.put(path, stamp, clock.monotonic() + restMs);
  }

  forget(path: string): void {
    this.#settling.delete(path);
    this.#refused.delete(path);
    this.#unreadable.delete(path);
  }

  /** Starts as much as there are workers. Returns when to be called again, unless `onEnd` is earlier. */
  start(signal: AbortSignal): number {
    const { clock, hasher, log } = this.#parts;
    while (this.#hashing.size < hasher.workers) {
      const next = this.#settling.takeDue(clock.monotonic());
      if (next === undefined) {
        const dueMs = this.#settling.nextDueMs();
        return dueMs === undefined ? REST_MS : Math.max(1, Math.ceil(dueMs - clock.monotonic()));
      }
      this.#hashing.add(next.path);
      this.#hash(next.path, next.stamp, signal).catch((error: unknown) => {
        if (!signal.aborted) log.error({ path: next.path, err: error }, 'file could not be catalogued');
      });
    }
    return REST_MS;
  }

  async #hash(path: string, expected: FileStamp, signal: AbortSignal): Promise<void> {
    const { catalog, clock, hasher, log, onEnd } = this.#parts;
    const absolute = join(this.#options.modelsDir, path);
    try {
      const stamp = await stampAt(absolute);
      if (stamp === undefined) return;
      if (!sameStamp(stamp, expected)) {
        this.settle(path, stamp);
      } else if ((await stampAt(`${absolute}${UNFINISHED_ENDING}`)) !== undefined) {
        this.#settling.put(path, stamp, clock.monotonic() + Math.max(1_000, this.#options.settleMs));
      } else if (isKnown(catalog, path, stamp)) {
        catalog.confirm(path); // installed by us meanwhile
      } else {
        catalog.suspend(path, 'hashing');
        const startMs = clock.monotonic();
        const hashed = await hasher.hashFile(absolute, signal);
        await this.#catalogue(path, hashed);
        const { sizeBytes } = hashed.stamp;
        const ms = Math.round(clock.monotonic() - startMs);
        log.info({ path, sha256: hashed.sha256, bytes: sizeBytes, ms }, 'file hashed');
      }
    } catch (error) {
      if (signal.aborted) throw error;
      await this.#failed(path, expected, error);
    } finally {
      this.#hashing.delete(path);
      onEnd(path);
      // Now, and not when the look at what this one has become is due: small files would wait longer than they take.
      if (!signal.aborted) this.start(signal);
    }
  }

  async #catalogue(path: string, hashed: HashedFile): Promise<void> {
    const { catalog } = this.#parts;
    const { stamp, sha256, manifestCid: manifest, metadata } = hashed;
    await catalog.putManifest(hashed.manifestBytes);
    await catalog.putFile(path, { stamp, sha256, manifest, ...(metadata === undefined ? {} : { metadata }) });
    this.#refused.delete(path);
    this.#unreadable.delete(path);
  }

  async #failed(path: string, stamp: FileStamp, error: unknown): Promise<void> {
    const { catalog, clock, log } = this.#parts;
    const code = codeOf(error);
    if (code === 'changed') return;
    if (code === 'verification-failed') {
      this.#refused.set(path, stamp);
      const remedy = 'Copy it again: it probably broke off.';
      log.warn({ path, problem: messageOf(error), remedy }, 'file is not whole, it is not used');
      catalog.suspend(path, 'corrupt');
      return;
    }
    if ((await stampAt(join(this.#options.modelsDir, path))) === undefined) return;
    if (!this.#unreadable.has(path)) log.error({ path, err: error }, 'file cannot be hashed, it is tried again');
    this.#unreadable.add(path);
    catalog.suspend(path, 'corrupt');
    this.#settling.put(path, stamp, clock.monotonic() + FAILED_AGAIN_MS);
  }
}

function isKnown(catalog: Catalog, path: string, stamp: FileStamp): boolean {
  const known = catalog.rememberedAt(path);
  return known !== undefined && sameStamp(known.stamp, stamp);
}

/** Undefined when there is no regular file. */
async function stampAt(absolute: string): Promise<FileStamp | undefined> {
  const stats = await lstat(absolute, { bigint: true }).catch(() => undefined);
  return stats?.isFile() === true ? stampOf(stats) : undefined;
}
