import { EventEmitter } from 'node:events';
import type { FSWatcher } from 'node:fs';
import { cp, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type HeartbeatDocument, heartbeatDocument } from '../../../src/flows/heartbeat-documents.ts';
import { Registrations } from '../../../src/flows/registrations.ts';
import { ReportedModels } from '../../../src/flows/reported-models.ts';
import { Catalog } from '../../../src/store/catalog.ts';
import { ClaimedPaths } from '../../../src/store/claimed-paths.ts';
import { Database } from '../../../src/store/database.ts';
import { Folders } from '../../../src/store/folders.ts';
import type { Hasher } from '../../../src/store/hasher.ts';
import { InstallJournal } from '../../../src/store/install-journal.ts';
import { Installer, type InstallStep, type StagedFile } from '../../../src/store/installer.ts';
import { openPartial } from '../../../src/store/partial-file.ts';
import { PartialStore } from '../../../src/store/partial-store.ts';
import { Remover } from '../../../src/store/remover.ts';
import { Scanner } from '../../../src/store/scanner.ts';
import { systemClock } from '../../../src/util/clock.ts';
import { silentLog } from '../../../src/util/log.ts';
import { manifestFor } from '../../store/store-fixture.ts';
import { delay } from '../../support/wait.ts';

/** Longer than the tick in which the kernel stamps changes: two writes within one look alike. */
const SETTLE_MS = 10;

interface Running {
  readonly database: Database;
  readonly catalog: Catalog;
  readonly scanner: Scanner;
  readonly remover: Remover;
  readonly installer: Installer;
  readonly partials: PartialStore;
  readonly reported: ReportedModels;
  readonly stop: () => Promise<void>;
}

/** The process is gone in the middle of it. */
export class Crashed extends Error {}

/**
 * What a daemon vouches for and why: the real catalog, scanner, installer, remover and heartbeat over real files, without network
 * and without a watch of its own. It sees a change when the campaign says that it does.
 */
export class TruthNode {
  readonly name: string;
  readonly modelsDir: string;
  readonly #home: string;
  readonly #hasher: Hasher;
  #running: Running | undefined;
  #crashAt: InstallStep | undefined;

  constructor(name: string, home: string, hasher: Hasher) {
    this.name = name;
    this.#home = home;
    this.modelsDir = join(home, 'models');
    this.#hasher = hasher;
  }

  get #dataDir(): string {
    return join(this.#home, 'data');
  }

  get isUp(): boolean {
    return this.#running !== undefined;
  }

  async start(): Promise<void> {
    await mkdir(this.modelsDir, { recursive: true });
    const { modelsDir } = this;
    const database = await Database.open(this.#dataDir);
    const catalog = await Catalog.open({ modelsDir }, { database, log: silentLog, clock: systemClock });
    const partials = await PartialStore.open({ modelsDir }, { database, log: silentLog });
    const claims = new ClaimedPaths();
    const folders = new Folders({ modelsDir }, { database });
    const journal = new InstallJournal({ database });
    const installer = new Installer(
      { modelsDir, onStep: (step) => this.#pass(step) },
      { catalog, claims, partials, hasher: this.#hasher, folders, journal, log: silentLog },
    );
    const remover = new Remover({ modelsDir }, { catalog, claims, folders, database, log: silentLog });
    await remover.recall();
    await installer.repair();
    const scanner = new Scanner(
      { modelsDir, settleMs: SETTLE_MS, rescanMs: 3_600_000 },
      {
        catalog,
        claims,
        hasher: this.#hasher,
        clock: systemClock,
        log: silentLog,
        watch: () => Object.assign(new EventEmitter(), { close: () => undefined }) as unknown as FSWatcher,
      },
    );
    const registrations = await Registrations.open({ database });
    const reported = new ReportedModels({ catalog, registrations, clock: systemClock });
    const controller = new AbortController();
    const running = scanner.run(controller.signal).catch(() => undefined);
    await scanner.firstScan;
    await remover.complete(() => Promise.resolve());
    // Nobody wants to go on with what a crash interrupted.
    for (const id of installer.unfinished()) await installer.abandon(id);
    this.#running = {
      ...{ database, catalog, scanner, remover, installer, partials, reported },
      stop: async () => {
        controller.abort();
        await running;
        await scanner[Symbol.asyncDispose]();
        await catalog[Symbol.asyncDispose]();
        await database[Symbol.asyncDispose]();
      },
    };
  }

  /**
   * Without a word to anybody, and without a chance to save anything: what the next start finds is the database as its files
   * were at this moment, not as an orderly end leaves it.
   */
  async crash(): Promise<void> {
    const asItIs = join(this.#home, 'data as it was');
    await cp(this.#dataDir, asItIs, { recursive: true });
    await this.close();
    await rm(this.#dataDir, { recursive: true });
    await rename(asItIs, this.#dataDir);
  }

  async close(): Promise<void> {
    await this.#running?.stop();
    this.#running = undefined;
  }

  /**
   * Puts files into place as a download does, from verified partials.
   * @throws Crashed when it comes to the step `crashAt`; only `crash` may follow
   */
  async fetch(id: string, contents: ReadonlyMap<string, string>, crashAt?: InstallStep): Promise<void> {
    const { catalog, installer, partials } = this.#up();
    const staged: StagedFile[] = [];
    for (const [path, text] of contents) {
      const bytes = Buffer.from(text);
      const { manifest, bytes: encoded, cid } = manifestFor(bytes);
      const { sha256 } = manifest;
      await catalog.putManifest(encoded);
      const partial = await partials.create({ sha256, sizeBytes: bytes.length, manifest: cid });
      const file = openPartial(partial.dir, sha256, bytes.length);
      file.write(bytes, 0);
      file.markHave(0);
      file.close();
      staged.push({ path, sha256, manifest: cid, from: partial.path });
    }
    this.#crashAt = crashAt;
    try {
      await installer.install(id, staged);
    } finally {
      this.#crashAt = undefined;
    }
  }

  #pass(step: InstallStep): void {
    if (step === this.#crashAt) throw new Crashed(step);
  }

  /** The kernel has told of the changes: when this resolves, what differs has been withdrawn. */
  async notice(): Promise<void> {
    await this.#up().scanner.rescan();
  }

  /** What settles is hashed and here again. */
  async rest(): Promise<void> {
    const { scanner, catalog } = this.#up();
    await scanner.rescan();
    while (scanner.pending > 0) await delay(1);
    catalog.refresh();
  }

  async evict(id: string, withdrawn: () => Promise<void>): Promise<void> {
    await this.#up().remover.remove(id, withdrawn);
  }

  /** What it would serve under that name, by path; undefined when it has no such model. */
  vouchedFor(name: string): ReadonlyMap<string, string> | undefined {
    const model = this.#up().catalog.findModel(name);
    return model && new Map(model.files.map(({ path, sha256 }) => [path, sha256]));
  }

  ids(): string[] {
    return this.#up()
      .catalog.models()
      .map(({ id }) => id);
  }

  heartbeat(nowMs: number): HeartbeatDocument {
    return heartbeatDocument({
      now: nowMs,
      ready: true,
      pools: [{ id: this.name, ready: true, draining: false, slotsTotal: 4, slotsFree: 4, vramFreeBytes: 0 }],
      available: this.#up().reported.names(),
      incoming: [],
      digests: this.#up().reported.digests(),
    });
  }

  #up(): Running {
    if (this.#running === undefined) throw new Error(`${this.name} is down`);
    return this.#running;
  }
}
