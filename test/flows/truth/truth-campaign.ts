import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HeartbeatDocument } from '../../../src/flows/heartbeat-documents.ts';
import { Hasher } from '../../../src/store/hasher.ts';
import { silentLog } from '../../../src/util/log.ts';
import { Metrics } from '../../../src/util/metrics.ts';
import { type Random, seededRandom } from '../../../src/util/random.ts';
import { TestFleet } from '../../orchestrator/fleet-fixture.ts';
import { Agenda } from './agenda.ts';
import { CHANGES, type Change, changeFile, sha256At } from './change-file.ts';
import { filesOf, IDS, NAMES, PATHS } from './truth-models.ts';
import { Crashed, TruthNode } from './truth-node.ts';

export const KINDS = ['install', 'fetch', 'edit', 'truncate', 'replace', 'delete', 'evict', 'crash'] as const;
type Kind = (typeof KINDS)[number];

export interface TruthResult {
  readonly events: Readonly<Record<Kind | 'return', number>>;
  readonly placements: number;
  /** Placements on what had been changed by others so lately that nobody could have known. */
  readonly unseen: number;
  /** Placements on nodes that had crashed within the last 30 s. */
  readonly orphaned: number;
  /** Placements that should not have been, as sentences. */
  readonly falsehoods: readonly string[];
  readonly virtualSeconds: number;
}

/** How late the kernel tells of a change, and how long a heartbeat waits for more of them: see OrchestratorLink. */
const NOTICE_MAX_MS = 50;
const SEND_MAX_MS = 200;
const UNSEEN_MS = NOTICE_MAX_MS + SEND_MAX_MS;
const PERIOD_MS = 10_000;
const OFFLINE_AFTER_MS = 30_000;
const MEAN_GAP_MS = 100;
const PROBES = 3;

/** Where an installation may be cut off. */
const STEPS = ['held', 'synced', 'noted', 'linked', 'directory-synced', 'unlinked', 'catalogued'] as const;
const CUT_OFF = 0.04;

/**
 * Nodes whose files come, go and change under them, an orchestrator that hears of it, and placements all the time, each
 * held against the disk. Time is virtual, so that every placement falls between exactly two events; the disk, catalog,
 * scanner, heartbeat, registry and placement are the real ones.
 *
 * A placement is false when the node, asked at that moment, would not have the bytes that it vouched for. What others do to
 * its files it learns from the kernel: it has `UNSEEN_MS` from the change to withdraw. For what it does itself (evict) it
 * has none: no placement may fall on the model once the first byte is touched. A crashed node is silent: orchestrators
 * believe it for 30 s.
 */
export class TruthCampaign {
  readonly #random: Random;
  readonly #fleet: TestFleet;
  readonly #nodes: TruthNode[] = [];
  readonly #agenda = new Agenda();
  /** By node and path: when somebody else last changed the file, by the virtual clock. */
  readonly #touchedMs = new Map<string, number>();
  readonly #downSinceMs = new Map<string, number>();
  readonly #beatDueMs = new Map<string, number>();
  readonly #counts = Object.fromEntries([...KINDS, 'return'].map((kind) => [kind, 0])) as Record<
    Kind | 'return',
    number
  >;
  readonly #falsehoods: string[] = [];
  #serial = 0;
  #placements = 0;
  #unseen = 0;
  #orphaned = 0;

  private constructor(seed: number, fleet: TestFleet) {
    this.#random = seededRandom(seed);
    this.#fleet = fleet;
  }

  static async run(options: { seed: number; nodes: number; events: number }): Promise<TruthResult> {
    const home = await mkdtemp(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'shoal-truth-'));
    const hasher = new Hasher({ workers: 1 }, { log: silentLog, metrics: new Metrics() });
    const campaign = new TruthCampaign(options.seed, await TestFleet.open());
    try {
      for (let n = 0; n < options.nodes; n += 1) {
        const node = new TruthNode(`node-${n}`, join(home, `${n}`), hasher);
        campaign.#nodes.push(node);
        await node.start();
        await campaign.#introduce(node);
      }
      return await campaign.#run(options.events);
    } finally {
      for (const node of campaign.#nodes) await node.close();
      await hasher[Symbol.asyncDispose]();
      await rm(home, { recursive: true, force: true });
    }
  }

  async #run(events: number): Promise<TruthResult> {
    let atMs = this.#nowMs;
    for (let n = 0; n < events; n += 1) {
      atMs += -Math.log(1 - this.#random()) * MEAN_GAP_MS;
      this.#at(atMs, () => this.#event());
      for (let probe = 0; probe < PROBES; probe += 1) {
        const within = this.#random() ** 3 * UNSEEN_MS * 2;
        this.#at(atMs + within, () => this.#probe());
      }
    }
    for (let due = this.#agenda.next(); due !== undefined; due = this.#agenda.next()) {
      if (due.atMs > atMs + UNSEEN_MS * 2) break;
      await this.#fleet.clock.advance(Math.max(0, due.atMs - this.#nowMs));
      await due.run();
    }
    return {
      events: this.#counts,
      placements: this.#placements,
      unseen: this.#unseen,
      orphaned: this.#orphaned,
      falsehoods: this.#falsehoods,
      virtualSeconds: Math.round(this.#nowMs / 1000),
    };
  }

  get #nowMs(): number {
    return this.#fleet.clock.monotonic();
  }

  async #event(): Promise<void> {
    const node = this.#pick(this.#nodes);
    if (!node.isUp) {
      // Others go on while it is down.
      await this.#touch(node, this.#pick(CHANGES));
      return;
    }
    const dice = this.#random();
    const kind: Kind =
      dice < 0.45
        ? 'install'
        : dice < 0.57
          ? 'edit'
          : dice < 0.67
            ? 'truncate'
            : dice < 0.75
              ? 'replace'
              : dice < 0.82
                ? 'delete'
                : dice < 0.985
                  ? 'evict'
                  : 'crash';
    if (kind === 'install' && this.#random() < 0.5) await this.#fetch(node);
    else if (kind === 'evict') await this.#evict(node);
    else if (kind === 'crash') await this.#crash(node);
    else await this.#touch(node, kind);
  }

  async #touch(node: TruthNode, kind: Change): Promise<void> {
    const path = this.#pick(PATHS);
    const file = join(node.modelsDir, path);
    if (kind !== 'install' && !existsSync(file)) return;
    this.#counts[kind] += 1;
    const content = this.#content();
    await changeFile(file, kind, content, this.#random);
    this.#touchedMs.set(`${node.name} ${path}`, this.#nowMs);
    if (!node.isUp) return;
    this.#at(this.#nowMs + this.#random() * NOTICE_MAX_MS, async () => {
      if (!node.isUp) return;
      await node.notice();
      this.#beatSoon(node);
      // Withdrawn before, back when it has rested and been hashed.
      this.#at(this.#nowMs + 50 + this.#random() * 2_000, async () => {
        if (!node.isUp) return;
        await node.rest();
        this.#beatSoon(node);
      });
    });
  }

  /** Nobody has had these bytes before. */
  #content(): string {
    this.#serial += 1;
    return `bytes ${this.#serial} ${'x'.repeat(Math.floor(this.#random() * 2_000))}`;
  }

  /** What the node brings by itself, where nothing is in the way; sometimes it dies half-way. */
  async #fetch(node: TruthNode): Promise<void> {
    const id = this.#pick(IDS);
    const paths = filesOf(id);
    if (paths.some((path) => existsSync(join(node.modelsDir, path)))) return;
    this.#counts.fetch += 1;
    const contents = new Map(paths.map((path) => [path, this.#content()]));
    const crashAt = this.#random() < CUT_OFF ? this.#pick(STEPS) : undefined;
    try {
      await node.fetch(id, contents, crashAt);
    } catch (error) {
      if (!(error instanceof Crashed)) throw error;
      await this.#crash(node);
      return;
    }
    this.#beatSoon(node);
    await this.#probe(id, node);
  }

  async #evict(node: TruthNode): Promise<void> {
    const ids = node.ids();
    if (ids.length === 0) return;
    this.#counts.evict += 1;
    const id = this.#pick(ids);
    const wasTouched = this.#isUnseen(node, id);
    await node.evict(id, async () => {
      const isWhole = filesOf(id).every((path) => existsSync(join(node.modelsDir, path)));
      if (!wasTouched && !isWhole) this.#falsehoods.push(`${node.name} deleted ${id} before anybody was told`);
      this.#deliver(node);
      await this.#probe(id, node);
    });
    await this.#probe(id, node);
  }

  async #crash(node: TruthNode): Promise<void> {
    this.#counts.crash += 1;
    await node.crash();
    this.#downSinceMs.set(node.name, this.#nowMs);
    this.#at(this.#nowMs + 1_000 + this.#random() * 60_000, async () => {
      this.#counts.return += 1;
      await node.start();
      this.#downSinceMs.delete(node.name);
      await this.#introduce(node);
    });
  }

  async #introduce(node: TruthNode): Promise<void> {
    await this.#fleet.join(node.name, []);
    this.#deliver(node);
    this.#period(node);
  }

  #period(node: TruthNode): void {
    const { name } = node;
    this.#beatDueMs.delete(name);
    this.#at(this.#nowMs + PERIOD_MS, async () => {
      if (!node.isUp) return Promise.resolve();
      this.#deliver(node);
      this.#period(node);
      return Promise.resolve();
    });
  }

  /** A burst of changes is one heartbeat. */
  #beatSoon(node: TruthNode): void {
    if (this.#beatDueMs.has(node.name)) return;
    const atMs = this.#nowMs + this.#random() * SEND_MAX_MS;
    this.#beatDueMs.set(node.name, atMs);
    this.#at(atMs, () => {
      this.#beatDueMs.delete(node.name);
      if (node.isUp) this.#deliver(node);
      return Promise.resolve();
    });
  }

  #deliver(node: TruthNode): void {
    const { pools, models_available, models_incoming }: HeartbeatDocument = node.heartbeat(this.#fleet.clock.now());
    const copy = pools.map((pool) => ({ ...pool, models_available: [...pool.models_available] }));
    this.#fleet.beat(node.name, copy, {
      models_available: [...models_available],
      models_incoming: models_incoming.map((one) => ({ ...one })),
    });
  }

  /** A task comes: whoever it could be placed on must have the bytes now. */
  async #probe(id = this.#pick(NAMES), only?: TruthNode): Promise<void> {
    const names = await this.#fleet.candidates({ models: [id] });
    for (const name of names) {
      const node = this.#nodes.find((one) => one.name === name);
      if (node === undefined || (only !== undefined && node !== only)) continue;
      this.#placements += 1;
      this.#judge(node, id, { mayBeUnseen: only === undefined });
    }
  }

  #judge(node: TruthNode, id: string, { mayBeUnseen }: { mayBeUnseen: boolean }): void {
    const downSinceMs = this.#downSinceMs.get(node.name);
    if (downSinceMs !== undefined) {
      this.#orphaned += 1;
      const silentMs = this.#nowMs - downSinceMs;
      if (silentMs > OFFLINE_AFTER_MS)
        this.#falsehoods.push(`${node.name} was placed on ${silentMs} ms after it crashed`);
      return;
    }
    const vouched = node.vouchedFor(id);
    const wrong = filesOf(id).filter((path) => {
      const sha256 = vouched?.get(path);
      return sha256 === undefined || sha256 !== sha256At(join(node.modelsDir, path));
    });
    if (wrong.length === 0) return;
    if (mayBeUnseen && this.#isUnseen(node, id)) {
      this.#unseen += 1;
      return;
    }
    const touchedMs = wrong.map((path) => Math.round(this.#nowMs - this.#touchedAt(node, path)));
    const claim = vouched === undefined ? 'has no such model' : `has other bytes in ${wrong.join(', ')}`;
    this.#falsehoods.push(`${node.name} was chosen for ${id}, ${claim}, touched ${touchedMs.join(', ')} ms ago`);
  }

  #isUnseen(node: TruthNode, id: string): boolean {
    return filesOf(id).some((path) => this.#nowMs - this.#touchedAt(node, path) <= UNSEEN_MS);
  }

  /** When somebody else last changed the file. */
  #touchedAt(node: TruthNode, path: string): number {
    return this.#touchedMs.get(`${node.name} ${path}`) ?? -Infinity;
  }

  #at(atMs: number, run: () => Promise<void>): void {
    this.#agenda.at(atMs, run);
  }

  #pick<T>(from: readonly T[]): T {
    const one = from[Math.floor(this.#random() * from.length)];
    if (one === undefined) throw new Error('nothing to pick from');
    return one;
  }
}
