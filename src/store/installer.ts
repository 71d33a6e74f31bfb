import { lstat, open, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ModelMetadata } from '../content/metadata.ts';
import { parseModelPath } from '../content/model-path.ts';
import type { Log } from '../util/log.ts';
import type { Catalog } from './catalog.ts';
import type { ClaimedPaths } from './claimed-paths.ts';
import { asDiskFull } from './disk-full.ts';
import { type FileStamp, sameButLinks, stampOf } from './file-stamp.ts';
import { type Folders, syncDirectory } from './folders.ts';
import type { Hasher } from './hasher.ts';
import { type InstallJournal, type Placing } from './install-journal.ts';
import { installOrder } from './install-order.ts';
import type { PartialStore } from './partial-store.ts';
import { linkInto, occupied, shareInto } from './place-file.ts';
import { restampTwins } from './restamp-twins.ts';

/** How far an installation has come; a test kills the process there. */
export type InstallStep =
  | 'held'
  | 'synced'
  | 'noted'
  | 'linked'
  | 'directory-synced'
  | 'unlinked'
  | 'catalogued'
  | 'released';

export interface StagedFile {
  /** Relative to the models directory. */
  readonly path: string;
  readonly sha256: string;
  readonly manifest: string;
  /** A partial, complete and verified; absent when the blob is in the catalog already, under another path. */
  readonly from?: string;
}

export interface InstallerOptions {
  readonly modelsDir: string;
  readonly onStep?: (step: InstallStep, path: string) => void;
}

export interface InstallerParts {
  readonly catalog: Catalog;
  readonly claims: ClaimedPaths;
  readonly partials: PartialStore;
  readonly hasher: Hasher;
  readonly folders: Folders;
  readonly journal: InstallJournal;
  readonly log: Log;
}

/**
 * Order, for each file: all pieces verified and sha256 right (the caller) → fsync file → note in the journal → link into
 * place → fsync directory → unlink the partial's name → catalog. A crash before the link leaves the partial as it was; after
 * it, `repair` finds in the journal that the file in place is the verified one, and does the rest. A model of several files
 * is held back in the catalog from before its first file until after its last, across crashes.
 */
export class Installer {
  readonly #modelsDir: string;
  readonly #parts: InstallerParts;
  readonly #onStep: (step: InstallStep, path: string) => void;
  readonly #placing = new Map<string, Promise<void>>();

  constructor(options: InstallerOptions, parts: InstallerParts) {
    this.#modelsDir = options.modelsDir;
    this.#onStep = options.onStep ?? (() => undefined);
    this.#parts = parts;
  }

  /**
   * Puts a model's files into place; those that are there already, as they should be, are left alone.
   * @throws ShoalError `conflict` when another file has one of the names: nothing that exists is ever overwritten;
   *   `disk-full`, `changed` when a file was touched while it was put into place
   */
  async install(id: string, files: readonly StagedFile[]): Promise<void> {
    const { catalog, claims, journal } = this.#parts;
    const byPath = new Map(files.map((file) => [parseModelPath(file.path), file]));
    const paths = installOrder([...byPath.keys()]);
    const missing = paths.flatMap((path) => {
      const file = byPath.get(path);
      return file === undefined || catalog.fileAt(path)?.sha256 === file.sha256 ? [] : [file];
    });
    const claim = claims.claim(missing.flatMap(({ path, sha256 }) => [path, ...catalog.pathsOf(sha256)]));
    try {
      for (const file of missing) await this.#refuseOccupied(file);
      // One that is whole already is not taken away from anybody for that.
      if (paths.length > 1 && missing.length > 0) await catalog.hold(id, paths);
      this.#onStep('held', id);
      for (const file of missing) await this.#inTurn(file.sha256, () => this.#place(id, file));
    } catch (error) {
      throw asDiskFull(error);
    } finally {
      claim[Symbol.dispose]();
    }
    await journal.close(id);
    await catalog.release(id);
    this.#onStep('released', id);
    catalog.refresh();
  }

  /** Models of several files of which some are in place and hidden: they want to be installed to the end, or abandoned. */
  unfinished(): string[] {
    return this.#parts.catalog.heldModels();
  }

  /** Takes back what has been put into place of a model that nobody wants any more. */
  async abandon(id: string): Promise<void> {
    const { catalog, folders, journal } = this.#parts;
    for (const placing of await journal.of(id)) {
      const target = join(this.#modelsDir, placing.path);
      if (await isIt(target, placing.stamp)) {
        await catalog.removeFile(placing.path);
        await rm(target, { force: true });
        await restampTwins(this.#modelsDir, { sha256: placing.sha256, inode: placing.stamp.inode }, catalog);
        await folders.pruneAround(placing.path, id);
      }
    }
    await journal.close(id);
    await catalog.release(id);
    catalog.refresh();
  }

  /** Mends what a crash left between two steps. Call before the first scan. */
  async repair(): Promise<void> {
    const { catalog, journal, log, partials } = this.#parts;
    const held = new Set(catalog.heldModels());
    for (const placing of await journal.all()) {
      const { path } = placing;
      try {
        if (await isIt(join(this.#modelsDir, path), placing.stamp)) {
          await this.#finish(placing);
          log.info({ path }, 'installation that was interrupted is completed');
        }
      } catch (error) {
        log.error(
          { path, err: error },
          'installation that was interrupted cannot be completed, the file is hashed again',
        );
      }
      // Of a model of several files the notes stay until the last file, for `abandon`.
      if (!held.has(placing.id)) await journal.close(placing.id);
    }
    for (const partial of partials.list()) {
      const stats = await lstat(partial.path).catch(() => undefined);
      // A second name that the journal does not know of (it was lost with the power): the scan will find it.
      if (stats !== undefined && stats.nlink > 1) await partials.discard(partial.sha256);
    }
  }

  async #refuseOccupied({ path, from }: StagedFile): Promise<void> {
    const there = await lstat(join(this.#modelsDir, path), { bigint: true }).catch(() => undefined);
    if (there === undefined) return;
    const ours = from === undefined ? undefined : await lstat(from, { bigint: true }).catch(() => undefined);
    if (ours?.ino !== there.ino || ours.dev !== there.dev) throw occupied(path);
  }

  /** For the same bytes one after the other: the second takes them from where the first has put them. */
  async #inTurn(sha256: string, work: () => Promise<void>): Promise<void> {
    const placing = (this.#placing.get(sha256) ?? Promise.resolve()).then(work);
    const ended = placing.catch(() => undefined);
    this.#placing.set(sha256, ended);
    try {
      await placing;
    } finally {
      if (this.#placing.get(sha256) === ended) this.#placing.delete(sha256);
    }
  }

  async #place(id: string, file: StagedFile): Promise<void> {
    const { catalog, folders, journal } = this.#parts;
    const { path, sha256, manifest } = file;
    const target = join(this.#modelsDir, path);
    const from = file.from !== undefined && (await exists(file.from)) ? file.from : undefined;
    await folders.makeAround(path);
    let stamp: FileStamp;
    let metadata: Promise<ModelMetadata | undefined> | undefined;
    if (from !== undefined) {
      // Beside what the disk is waited for.
      metadata = this.#describe(from, path);
      // fsync before link: after a crash the final name must never hold partial data.
      stamp = await syncFile(from);
      this.#onStep('synced', path);
      await journal.note({ id, path, sha256, manifest, stamp });
      this.#onStep('noted', path);
      await linkInto(from, target, path);
    } else {
      const note = (shared: FileStamp): Promise<void> => journal.note({ id, path, sha256, manifest, stamp: shared });
      // Some of them may have come since the installation began.
      const twins = this.#parts.claims.claim(catalog.pathsOf(sha256));
      try {
        stamp = await shareInto({ modelsDir: this.#modelsDir, sha256, path }, this.#parts, note);
        await restampTwins(this.#modelsDir, { sha256, inode: stamp.inode }, catalog);
      } finally {
        twins[Symbol.dispose]();
      }
    }
    this.#onStep('linked', path);
    await this.#finish({ id, path, sha256, manifest, stamp }, metadata);
  }

  #describe(file: string, path: string): Promise<ModelMetadata | undefined> {
    return this.#parts.hasher.describe(file, path, new AbortController().signal);
  }

  /** The file is in place: everything after the link. */
  async #finish(placing: Placing, described?: Promise<ModelMetadata | undefined>): Promise<void> {
    const { catalog, partials } = this.#parts;
    const { path, sha256, manifest, stamp } = placing;
    const target = join(this.#modelsDir, path);
    await syncDirectory(dirname(target));
    this.#onStep('directory-synced', path);
    // Before the name under which it may still be read is taken away.
    const metadata = await (described ?? this.#describe(target, path));
    for (const partial of partials.list()) {
      // By its sha256, or by the name it had while nobody knew that.
      const isOurs = partial.sizeBytes === stamp.sizeBytes && (await isIt(partial.path, stamp));
      if (isOurs) await rm(partial.path, { force: true });
      else if (partial.sha256 !== sha256) continue;
      if (!(await exists(partial.path))) await partials.forget(partial.sha256);
    }
    this.#onStep('unlinked', path);
    // Of the links that we have made and unmade the change time tells; that nobody wrote, the rest of the stamp.
    const now = stampOf(await lstat(target, { bigint: true }));
    if (!sameButLinks(now, stamp)) return; // the scan will hash it
    await catalog.putFile(path, { stamp: now, sha256, manifest, ...(metadata === undefined ? {} : { metadata }) });
    await restampTwins(this.#modelsDir, { sha256, inode: now.inode }, catalog);
    this.#onStep('catalogued', path);
  }
}

async function isIt(path: string, stamp: FileStamp): Promise<boolean> {
  const stats = await lstat(path, { bigint: true }).catch(() => undefined);
  return stats?.isFile() === true && sameButLinks(stampOf(stats), stamp);
}

async function exists(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined)) !== undefined;
}

async function syncFile(path: string): Promise<FileStamp> {
  const file = await open(path, 'r+');
  try {
    await file.sync();
    return stampOf(await file.stat({ bigint: true }));
  } finally {
    await file.close();
  }
}
