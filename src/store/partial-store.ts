import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isSha256 } from '../content/digest.ts';
import { geometryOf } from '../content/piece-geometry.ts';
import type { Log } from '../util/log.ts';
import type { Database, Table } from './database.ts';
import { havePath, openPartial, partialPath, readHave } from './partial-file.ts';

export interface Partial {
  readonly dir: string;
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly manifest: string;
  readonly path: string;
}

interface StoredPartial {
  readonly sizeBytes: number;
  readonly manifest: string;
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
    await mkdir(dir, { recursive: true });
    const store = new PartialStore(dir, parts.database.json('partials'));
    for await (const [sha256, stored] of store.#table.iterator()) {
      store.#partials.set(sha256, { ...stored, dir, sha256, path: partialPath(dir, sha256) });
    }
    for (const name of await readdir(dir)) {
      const sha256 = name.slice(0, 64);
      const ours = isSha256(sha256) && ['.part', '.have'].includes(name.slice(64)) && store.#partials.has(sha256);
      if (ours || name.endsWith('.copy') || name.endsWith('.journal')) continue;
      parts.log.info({ file: name }, 'stray file among the partials removed');
      await rm(join(dir, name), { force: true, recursive: true });
    }
    for (const [sha256, partial] of store.#partials) {
      const there = await stat(partial.path).then(
        (stats) => stats.size === partial.sizeBytes,
        () => false,
      );
      if (!there) await store.discard(sha256);
    }
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
    const { pieceCount, pieceSizeBytes } = geometryOf(partial.sizeBytes);
    return Math.min(partial.sizeBytes, readHave(partial.dir, partial.sha256, pieceCount).count * pieceSizeBytes);
  }

  /** The one that was begun earlier, if it is the same; else a new one. */
  async create(blob: { sha256: string; sizeBytes: number; manifest: string }): Promise<Partial> {
    const { sha256, sizeBytes, manifest } = blob;
    const before = this.#partials.get(sha256);
    // With another manifest the pieces that are there stay: the recheck sorts out which of them hold.
    if (before?.sizeBytes === sizeBytes && before.manifest === manifest) return before;
    if (before !== undefined && before.sizeBytes !== sizeBytes) await this.discard(sha256);
    await this.#table.put(sha256, { sizeBytes, manifest });
    openPartial(this.dir, sha256, sizeBytes).close();
    const partial = { dir: this.dir, sha256, sizeBytes, manifest, path: partialPath(this.dir, sha256) };
    this.#partials.set(sha256, partial);
    return partial;
  }

  async discard(sha256: string): Promise<void> {
    this.#partials.delete(sha256);
    await rm(partialPath(this.dir, sha256), { force: true });
    await this.forget(sha256);
  }

  /** The `.part` has become a model's file. */
  async forget(sha256: string): Promise<void> {
    this.#partials.delete(sha256);
    await rm(havePath(this.dir, sha256), { force: true });
    await this.#table.del(sha256);
  }
}
