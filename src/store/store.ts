import { mkdir } from 'node:fs/promises';
import type { Clock } from '../util/clock.ts';
import type { Log } from '../util/log.ts';
import type { Metrics } from '../util/metrics.ts';
import { Catalog } from './catalog.ts';
import { Database } from './database.ts';
import { Hasher } from './hasher.ts';
import { Installer } from './installer.ts';
import { PartialStore } from './partial-store.ts';
import { Remover } from './remover.ts';
import { Scanner } from './scanner.ts';
import { DiskSpace } from './space.ts';
import { Wants } from './wants.ts';

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
  readonly database: Database;
  readonly catalog: Catalog;
  readonly partials: PartialStore;
  readonly hasher: Hasher;
  readonly scanner: Scanner;
  readonly space: DiskSpace;
  readonly installer: Installer;
  readonly remover: Remover;
  readonly wants: Wants;

  private constructor(
    options: StoreOptions,
    parts: StoreParts,
    kept: { database: Database; catalog: Catalog; partials: PartialStore; wants: Wants },
  ) {
    const { modelsDir, settleMs, rescanMs, cacheMaxBytes } = options;
    const { log, metrics, clock } = parts;
    const { catalog, partials, wants } = kept;
    this.database = kept.database;
    this.catalog = catalog;
    this.partials = partials;
    this.wants = wants;
    this.hasher = new Hasher({ workers: options.hashWorkers }, { log, metrics });
    this.scanner = new Scanner({ modelsDir, settleMs, rescanMs }, { catalog, hasher: this.hasher, clock, log });
    this.space = new DiskSpace(
      { modelsDir, ...(cacheMaxBytes === undefined ? {} : { cacheMaxBytes }) },
      { usage: () => this.usage() },
    );
    this.installer = new Installer({ modelsDir }, { catalog, partials, log });
    this.remover = new Remover({ modelsDir }, { catalog, log });
  }

  /** @throws ShoalError `conflict` when another daemon uses the data directory */
  static async open(options: StoreOptions, parts: StoreParts): Promise<Store> {
    await mkdir(options.modelsDir, { recursive: true });
    const database = await Database.open(options.dataDir);
    const catalog = await Catalog.open({ modelsDir: options.modelsDir }, { database });
    const partials = await PartialStore.open({ modelsDir: options.modelsDir }, { database, log: parts.log });
    const wants = await Wants.open({ database });
    const store = new Store(options, parts, { database, catalog, partials, wants });
    await store.installer.repair();
    return store;
  }

  usage(): { usedBytes: number; removableBytes: number } {
    let usedBytes = 0;
    let removableBytes = 0;
    for (const model of this.catalog.models()) {
      usedBytes += model.sizeBytes;
      if (!this.wants.isPinned(model.id)) removableBytes += model.sizeBytes;
    }
    return { usedBytes, removableBytes };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.scanner[Symbol.asyncDispose]();
    await this.hasher[Symbol.asyncDispose]();
    await this.catalog[Symbol.asyncDispose]();
    await this.database[Symbol.asyncDispose]();
  }
}
