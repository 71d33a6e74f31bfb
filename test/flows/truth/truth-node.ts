import { EventEmitter } from 'node:events';
import type { FSWatcher } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type HeartbeatDocument, heartbeatDocument } from '../../../src/flows/heartbeat-documents.ts';
import { Registrations } from '../../../src/flows/registrations.ts';
import { ReportedModels } from '../../../src/flows/reported-models.ts';
import { Catalog } from '../../../src/store/catalog.ts';
import { ClaimedPaths } from '../../../src/store/claimed-paths.ts';
import { Database } from '../../../src/store/database.ts';
import { Folders } from '../../../src/store/folders.ts';
import type { Hasher } from '../../../src/store/hasher.ts';
import { Remover } from '../../../src/store/remover.ts';
import { Scanner } from '../../../src/store/scanner.ts';
import { systemClock } from '../../../src/util/clock.ts';
import { silentLog } from '../../../src/util/log.ts';
import { delay } from '../../support/wait.ts';

/** Longer than the tick in which the kernel stamps changes: two writes within one look alike. */
const SETTLE_MS = 10;

interface Running {
  readonly database: Database;
  readonly catalog: Catalog;
  readonly scanner: Scanner;
  readonly remover: Remover;
  readonly reported: ReportedModels;
  readonly stop: () => Promise<void>;
}

/**
 * What a daemon vouches for and why: the real catalog, scanner, remover and heartbeat over real files, without network
 * and without a watch of its own. It sees a change when the campaign says that it does.
 */
export class TruthNode {
  readonly name: string;
  readonly modelsDir: string;
  readonly #home: string;
  readonly #hasher: Hasher;
  #running: Running | undefined;

  constructor(name: string, home: string, hasher: Hasher) {
    this.name = name;
    this.#home = home;
    this.modelsDir = join(home, 'models');
    this.#hasher = hasher;
  }

  get isUp(): boolean {
    return this.#running !== undefined;
  }

  async start(): Promise<void> {
    await mkdir(this.modelsDir, { recursive: true });
    const database = await Database.open(join(this.#home, 'data'));
    const catalog = await Catalog.open({ modelsDir: this.modelsDir }, { database, log: silentLog, clock: systemClock });
    const claims = new ClaimedPaths();
    const { modelsDir } = this;
    const folders = new Folders({ modelsDir }, { database });
    const remover = new Remover({ modelsDir }, { catalog, claims, folders, database, log: silentLog });
    await remover.recall();
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
    this.#running = {
      ...{ database, catalog, scanner, remover, reported },
      stop: async () => {
        controller.abort();
        await running;
        await scanner[Symbol.asyncDispose]();
        await catalog[Symbol.asyncDispose]();
        await database[Symbol.asyncDispose]();
      },
    };
  }

  /** Without a word to anybody. */
  async crash(): Promise<void> {
    await this.#running?.stop();
    this.#running = undefined;
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

  digestOf(id: string): string | undefined {
    return this.#up().catalog.findModel(id)?.digest;
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
