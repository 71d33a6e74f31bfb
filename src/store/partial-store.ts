import { copyFile, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isSha256 } from '../content/digest.ts';
import { geometryOf, pieceLength } from '../content/piece-geometry.ts';
import { errnoOf } from '../util/errors.ts';
import type { Log } from '../util/log.ts';
import type { Database, Table } from './database.ts';
import { asDiskFull } from './disk-full.ts';
import { claimAll, havePath, openPartial, partialPath, readHave } from './partial-file.ts';
import { runLogPath } from './run-log.ts';

export interface Partial {
  readonly dir: string;
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly manifest: string;
  readonly path: string;
  /** Of which model's file it is a draft: `sha256` is the name of the draft then. */
  readonly draftOf?: string;
  /** Of a draft: when the file was written, as its origin tells. */
  readonly modifiedNs?: string;
}

interface StoredPartial {
  readonly sizeBytes: number;
  readonly manifest: string;
  readonly draftOf?: string;
  readonly modifiedNs?: string;
}

/** Below the models directory, because a rename must not cross file systems; hidden, because programs list it. */
export const STATE_FOLDER = '.shoal';

export function partialDirectory(modelsDir: string): string {
  return join(modelsDir, STATE_FOLDER, 'partial');
}

/** Blobs on their way, kept over restarts. */
export class PartialStore {
  readonly dir: string;
  readonly #table: Table<StoredPartial>;
  readonly #partials = new Map<string, Partial>();

  private constructor(dir: string, table: Table<StoredPartial>) {
    this.dir = dir;
    this.#table = table;
  }

  /** Also clears away what belongs to nobody. */
  static async open(
    options: { readonly modelsDir: string },
    parts: { readonly database: Database; readonly log: Log },
  ): Promise<PartialStore> {
    const dir = partialDirectory(options.modelsDir);
    const isNew = (await mkdir(dir, { recursive: true })) !== undefined;
    const store = new PartialStore(dir, parts.database.json('partials'));
    // A models directory without ours is empty or not mounted yet: what was begun is not forgotten because of that.
    if (isNew) return store;
    for (const [sha256, stored] of await store.#table.iterator().all()) {
      store.#partials.set(sha256, { ...stored, dir, sha256, path: partialPath(dir, sha256) });
    }
    for (const name of await readdir(dir)) {
      const sha256 = name.slice(0, 64);
      const ours =
        isSha256(sha256) && ['.part', '.have', '.runs'].includes(name.slice(64)) && store.#partials.has(sha256);
      if (ours || name.endsWith('.copy') || name.endsWith('.journal')) continue;
      parts.log.info({ file: name }, 'stray file among the partials removed');
      await rm(join(dir, name), { force: true, recursive: true });
    }
    for (const partial of store.list()) if (!(await isWhole(partial))) await store.discard(partial.sha256);
    return store;
  }

  list(): Partial[] {
    return [...this.#partials.values()];
  }

  find(sha256: string): Partial | undefined {
    return this.#partials.get(sha256);
  }

  /** Bytes that the have log claims. */
  claimedBytes(partial: Partial): number {
    const geometry = geometryOf(partial.sizeBytes);
    const have = readHave(partial.dir, partial.sha256, geometry.pieceCount);
    const last = geometry.pieceCount - 1;
    const overhang = have.has(last) ? geometry.pieceSizeBytes - pieceLength(geometry, last) : 0;
    return have.count * geometry.pieceSizeBytes - overhang;
  }

  /** The one that was begun earlier, if it is the same; else a new one. @throws ShoalError `disk-full` */
  async create(blob: Omit<Partial, 'dir' | 'path'>): Promise<Partial> {
    const { sha256, sizeBytes, manifest, draftOf, modifiedNs } = blob;
    const ofDraft = {
      ...(draftOf === undefined ? {} : { draftOf }),
      ...(modifiedNs === undefined ? {} : { modifiedNs }),
    };
    const stored = { sizeBytes, manifest, ...ofDraft };
    const before = this.#partials.get(sha256);
    const usable = before?.sizeBytes === sizeBytes && (await isWhole(before));
    if (usable && before.manifest === manifest) return before;
    // With another manifest the pieces that are there stay: the recheck sorts out which of them hold.
    if (!usable) await this.discard(sha256);
    try {
      await mkdir(this.dir, { recursive: true });
      await this.#table.put(sha256, stored);
      openPartial(this.dir, sha256, sizeBytes).close();
    } catch (error) {
      throw asDiskFull(error);
    }
    const partial = { ...stored, dir: this.dir, sha256, path: partialPath(this.dir, sha256) };
    this.#partials.set(sha256, partial);
    return partial;
  }

  /** The file was written again since: what is here of older drafts of it nobody fetches any more. */
  async discardOlderDrafts(file: { readonly path: string; readonly modifiedNs: string }): Promise<void> {
    for (const { sha256, draftOf, modifiedNs = '0' } of this.list()) {
      if (draftOf === file.path && BigInt(modifiedNs) < BigInt(file.modifiedNs)) await this.discard(sha256);
    }
  }

  /**
   * A first read of the file was interrupted here, and others have finished theirs: what is here of the draft becomes
   * what is here of the blob, as far as its pieces hold. The recheck tells.
   */
  async adopt(blob: { path: string; sha256: string; sizeBytes: number; manifest: string }): Promise<void> {
    const { path, sha256, sizeBytes, manifest } = blob;
    const draft = this.list().find((partial) => partial.draftOf === path && partial.sizeBytes === sizeBytes);
    if (draft === undefined || this.#partials.has(sha256)) return;
    // Copied, not moved: until the bytes bear the new name, a crash must leave the draft with what it claims.
    await copyFile(havePath(this.dir, draft.sha256), havePath(this.dir, sha256)).catch((error: unknown) => {
      if (errnoOf(error) !== 'ENOENT') throw asDiskFull(error);
    });
    await this.#table.put(sha256, { sizeBytes, manifest });
    await rename(draft.path, partialPath(this.dir, sha256));
    this.#partials.set(sha256, { dir: this.dir, sha256, sizeBytes, manifest, path: partialPath(this.dir, sha256) });
    await this.forget(draft.sha256);
  }

  /** A file of ours that holds the whole blob, and was verified, becomes its partial. */
  async take(blob: Omit<Partial, 'dir' | 'path'>, file: string): Promise<Partial> {
    const partial = await this.create(blob);
    // Claimed first: whoever finds it so after a crash reads it all again before it is used.
    try {
      claimAll(this.dir, blob.sha256, geometryOf(blob.sizeBytes).pieceCount);
      await rename(file, partial.path);
    } catch (error) {
      throw asDiskFull(error);
    }
    return partial;
  }

  async discard(sha256: string): Promise<void> {
    await rm(partialPath(this.dir, sha256), { force: true });
    await this.forget(sha256);
  }

  /** The `.part` has become a model's file. */
  async forget(sha256: string): Promise<void> {
    this.#partials.delete(sha256);
    await rm(havePath(this.dir, sha256), { force: true });
    await rm(runLogPath(this.dir, sha256), { force: true });
    // One that stays because the disk is full is found without its file at the next start.
    await this.#table.del(sha256).catch(() => undefined);
  }
}

async function isWhole({ path, sizeBytes }: Partial): Promise<boolean> {
  const stats = await stat(path).catch(() => undefined);
  return stats?.isFile() === true && stats.size === sizeBytes;
}
