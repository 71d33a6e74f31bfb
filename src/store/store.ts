import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../util/clock.ts';
import type { Log } from '../util/log.ts';
import type { Metrics } from '../util/metrics.ts';
import { Catalog } from './catalog.ts';
import { ClaimedPaths } from './claimed-paths.ts';
import { Database } from './database.ts';
import { DirectoryLock } from './directory-lock.ts';
import { Folders } from './folders.ts';
import { Hasher } from './hasher.ts';
import { InstallJournal } from './install-journal.ts';
import { Installer } from './installer.ts';
import { makeDirectory } from './make-directory.ts';
import { PartialStore, STATE_FOLDER } from './partial-store.ts';
import { Remover } from './remover.ts';
import { Scanner } from './scanner.ts';
import { DiskSpace, type SpaceUsage } from './space.ts';
import { Wants } from './wants.ts';

const MODELS = { name: 'the models directory', flag: '--models' };

export interface StoreOptions {
  readonly modelsDir: string;
  readonly dataDir: string;
  readonly settleMs: number;
  readonly rescanMs: number;
  readonly hashWorkers: number;
  readonly cacheMaxBytes?: number;
}

export interface StoreParts {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
}

/** This disk: what lies on it, what is on its way to it, and what is wanted on it. */
export class Store implements AsyncDisposable {
  readonly claims: ClaimedPaths;
  readonly database: Database;
  readonly catalog: Catalog;
  readonly partials: PartialStore;
  readonly hasher: Hasher;
  readonly scanner: Scanner;
  readonly space: DiskSpace;
  readonly installer: Installer;
  readonly remover: Remover;
  readonly wants: Wants;
  readonly #lock: DirectoryLock;

  private constructor(
    options: StoreOptions,
    parts: StoreParts,
    kept: { lock: DirectoryLock; database: Database; catalog: Catalog; partials: PartialStore; wants: Wants },
  ) {
    const { modelsDir, settleMs, rescanMs, cacheMaxBytes } = options;
    const { log, metrics, clock } = parts;
    const { catalog, partials, wants } = kept;
    const claims = new ClaimedPaths();
    this.#lock = kept.lock;
    this.claims = claims;
    this.database = kept.database;
    this.catalog = catalog;
    this.partials = partials;
    this.wants = wants;
    this.hasher = new Hasher({ workers: options.hashWorkers }, { log, metrics });
    this.scanner = new Scanner({ modelsDir, settleMs, rescanMs }, { catalog, claims, hasher: this.hasher, clock, log });
    this.space = new DiskSpace(
      { modelsDir, ...(cacheMaxBytes === undefined ? {} : { cacheMaxBytes }) },
      { usage: () => this.usage() },
    );
    const { database } = kept;
    const folders = new Folders({ modelsDir }, { database });
    const journal = new InstallJournal({ database });
    this.installer = new Installer(
      { modelsDir },
      { catalog, claims, partials, hasher: this.hasher, folders, journal, log },
    );
    this.remover = new Remover({ modelsDir }, { catalog, claims, folders, database, log });
  }

  /** @throws ShoalError `conflict` when another daemon uses the data directory or the models directory */
  static async open(options: StoreOptions, parts: StoreParts): Promise<Store> {
    await makeDirectory(options.modelsDir, { what: MODELS });
    // Links may lead to the models directory, but not out of it: from here on its real path counts.
    const modelsDir = await realpath(options.modelsDir);
    const { log, clock } = parts;
    const folder = join(modelsDir, STATE_FOLDER);
    await makeDirectory(folder, { what: MODELS });
    const database = await Database.open(options.dataDir);
    let lock: DirectoryLock | undefined;
    try {
      // Before anything is cleared away there.
      lock = DirectoryLock.take({ modelsDir, folder }, { log });
      const catalog = await Catalog.open({ modelsDir }, { database, log, clock });
      const partials = await PartialStore.open({ modelsDir }, { database, log });
      const wants = await Wants.open({ database });
      const store = new Store({ ...options, modelsDir }, parts, { lock, database, catalog, partials, wants });
      await store.remover.recall();
      await store.installer.repair();
      await catalog.sweepManifests(new Set(partials.list().map(({ manifest }) => manifest)));
      return store;
    } catch (error) {
      lock?.[Symbol.dispose]();
      await database[Symbol.asyncDispose]();
      throw error;
    }
  }

  usage(): SpaceUsage {
    let usedBytes = 0;
    let removableBytes = 0;
    let partialBytes = 0;
    for (const model of this.catalog.eachModel()) {
      usedBytes += model.sizeBytes;
      if (!this.wants.isPinned(model.id)) removableBytes += model.sizeBytes;
    }
    for (const partial of this.partials.list()) partialBytes += this.partials.claimedBytes(partial);
    return { usedBytes, removableBytes, partialBytes };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.scanner[Symbol.asyncDispose]();
    await this.hasher[Symbol.asyncDispose]();
    await this.catalog[Symbol.asyncDispose]();
    await this.database[Symbol.asyncDispose]();
    this.#lock[Symbol.dispose]();
  }
}
