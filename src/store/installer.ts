import { constants } from 'node:fs';
import { copyFile, link, lstat, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ModelMetadata } from '../content/metadata.ts';
import { parseModelPath } from '../content/model-path.ts';
import { errnoOf, ShoalError } from '../util/errors.ts';
import type { Log } from '../util/log.ts';
import type { Catalog } from './catalog.ts';
import { stampOf } from './file-stamp.ts';
import type { PartialStore } from './partial-store.ts';

/**
 * Order, for each file: all pieces verified and sha256 right (the caller) → fsync file → link into place → fsync
 * directory → catalog. A crash before the link leaves a partial, which is checked again; a crash after it leaves a whole
 * file that the next scan hashes, or that `repair` finds to be the partial under a second name. A model of several files
 * is held back in the catalog from before its first file until after its last, across crashes.
 */
export type InstallStep = 'synced' | 'linked' | 'directory-synced' | 'unlinked' | 'catalogued';

export interface StagedFile {
  /** Relative to the models directory. */
  readonly path: string;
  readonly sha256: string;
  readonly manifest: string;
  readonly metadata?: ModelMetadata;
  /** Complete and verified; absent when the blob is in the catalog already, under another path. */
  readonly from?: string;
}

export class Installer {
  readonly #modelsDir: string;
  readonly #parts: { readonly catalog: Catalog; readonly partials: PartialStore; readonly log: Log };
  readonly #onStep: (step: InstallStep, path: string) => void;

  constructor(
    options: { readonly modelsDir: string; readonly onStep?: (step: InstallStep, path: string) => void },
    parts: { readonly catalog: Catalog; readonly partials: PartialStore; readonly log: Log },
  ) {
    this.#modelsDir = options.modelsDir;
    this.#onStep = options.onStep ?? (() => undefined);
    this.#parts = parts;
  }

  /**
   * Puts a model's files into place; those that are there already, as they should be, are left alone.
   * @throws ShoalError `conflict` when another file has one of the names: nothing that exists is ever overwritten
   */
  async install(id: string, files: readonly StagedFile[]): Promise<void> {
    const { catalog } = this.#parts;
    const missing = files.filter((file) => catalog.fileAt(file.path)?.sha256 !== file.sha256);
    for (const file of missing) await this.#refuseOccupied(parseModelPath(file.path), file.from);
    const together = files.length > 1;
    if (together) {
      await catalog.hold(
        id,
        files.map((file) => file.path),
      );
    }
    for (const file of missing) await this.#place(file);
    if (together) await catalog.release(id);
  }

  /** Mends what a crash left between two steps. Call before the first scan. */
  async repair(): Promise<void> {
    const { partials, log } = this.#parts;
    for (const partial of partials.list()) {
      const stats = await lstat(partial.path).catch(() => undefined);
      // A second name means that it was linked into place: the file there is the model's now.
      if (stats === undefined || stats.nlink < 2) continue;
      log.info({ sha256: partial.sha256 }, 'installation that was interrupted is completed');
      await partials.discard(partial.sha256);
    }
  }

  async #refuseOccupied(path: string, from: string | undefined): Promise<void> {
    const target = join(this.#modelsDir, path);
    const there = await lstat(target, { bigint: true }).catch(() => undefined);
    if (there === undefined) return;
    const ours = from === undefined ? undefined : await lstat(from, { bigint: true }).catch(() => undefined);
    if (ours !== undefined && ours.ino === there.ino && ours.dev === there.dev) return;
    throw occupied(path);
  }

  async #place(file: StagedFile): Promise<void> {
    const { catalog, partials } = this.#parts;
    const target = join(this.#modelsDir, file.path);
    await this.#makeParents(file.path);
    if (file.from === undefined) await this.#copyOfOwn(file.sha256, target);
    else {
      // fsync before link: after a crash the final name must never hold partial data.
      await syncFile(file.from);
      this.#onStep('synced', file.path);
      await placeUnder(file.from, target, file.path);
    }
    this.#onStep('linked', file.path);
    await syncDirectory(dirname(target));
    this.#onStep('directory-synced', file.path);
    if (file.from !== undefined) {
      await rm(file.from, { force: true });
      await partials.forget(file.sha256);
    }
    this.#onStep('unlinked', file.path);
    const stamp = stampOf(await lstat(target, { bigint: true }));
    const { sha256, manifest, metadata } = file;
    await catalog.putFile(file.path, { stamp, sha256, manifest, ...(metadata === undefined ? {} : { metadata }) });
    this.#onStep('catalogued', file.path);
  }

  /** The same blob in a second place takes no second space where the file system can share it. */
  async #copyOfOwn(sha256: string, target: string): Promise<void> {
    const { catalog } = this.#parts;
    const own = catalog.locateBlob(sha256);
    if (own === undefined) throw new ShoalError('changed', 'the file to be copied has changed meanwhile');
    const staged = join(this.#parts.partials.dir, `${sha256}.copy`);
    await rm(staged, { force: true });
    try {
      await copyFile(own.path, staged, constants.COPYFILE_FICLONE_FORCE);
      await syncFile(staged);
      await placeUnder(staged, target, target);
    } catch (error) {
      if (!['ENOTSUP', 'EOPNOTSUPP', 'EXDEV', 'EINVAL', 'ENOSYS', 'ENOTTY'].includes(errnoOf(error) ?? '')) throw error;
      await placeUnder(own.path, target, target);
      // The link has changed the change time of the file it shares.
      const known = catalog.fileAt(own.relativePath);
      const stamp = stampOf(await lstat(own.path, { bigint: true }));
      if (known !== undefined) await catalog.putFile(own.relativePath, { ...known, stamp });
    } finally {
      await rm(staged, { force: true });
    }
  }

  async #makeParents(path: string): Promise<void> {
    const parts = path.split('/').slice(0, -1);
    let directory = this.#modelsDir;
    for (const name of parts) {
      const parent = directory;
      directory = join(directory, name);
      try {
        await mkdir(directory);
        await syncDirectory(parent);
      } catch (error) {
        if (errnoOf(error) !== 'EEXIST') throw error;
        // Not through a link: it could lead out of the models directory.
        if (!(await lstat(directory)).isDirectory()) throw occupied(path);
      }
    }
  }
}

/** link(2) fails where rename(2) would replace; the second name goes when the directory is on disk. */
async function placeUnder(from: string, target: string, path: string): Promise<void> {
  try {
    await link(from, target);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'EPERM' || errno === 'EOPNOTSUPP' || errno === 'ENOTSUP') {
      // A file system without hard links (exFAT): the check and the rename are two steps, as near as it can be.
      if ((await lstat(target).catch(() => undefined)) !== undefined) throw occupied(path);
      await rename(from, target);
      return;
    }
    if (errno !== 'EEXIST') throw error;
    const [a, b] = await Promise.all([lstat(from, { bigint: true }), lstat(target, { bigint: true })]);
    if (a.ino !== b.ino || a.dev !== b.dev) throw occupied(path);
  }
}

function occupied(path: string): ShoalError {
  return new ShoalError('conflict', `another file is already at ${path}, and Shoal never overwrites one`, {
    remedy: `Move or delete it; then the wanted one is put there.`,
  });
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
