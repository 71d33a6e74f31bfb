import { readFile } from 'node:fs/promises';
import type { Store } from '../store/store.ts';
import type { Swarm } from '../swarm/swarm.ts';
import type { Clock } from '../util/clock.ts';
import { childController } from '../util/deadline.ts';
import { isAbort } from '../util/errors.ts';
import { formatHostPort, type HostPort } from '../util/host-port.ts';
import type { Log } from '../util/log.ts';
import type { Metrics } from '../util/metrics.ts';
import type { Random } from '../util/random.ts';
import { Wake } from '../util/wake.ts';
import { detectCapabilities, type GpuSetting } from './capabilities.ts';
import { CatalogEntries } from './catalog-entries.ts';
import type { FetchWantedModels } from './fetch-wanted-models.ts';
import { FleetMembers } from './fleet-members.ts';
import type { ModelLocator } from './locate-models.ts';
import type { ModelViews } from './model-views.ts';
import type { OrchestratorLink } from './orchestrator-link.ts';
import { PoolManager } from './pool-manager.ts';
import { NodePools, type PoolSetting } from './pools.ts';
import { Preloads } from './preloads.ts';
import { RegisteredModels } from './registered-models.ts';
import { Registrations } from './registrations.ts';
import { advertised, linkOrchestrators, type ReportOptions } from './report-models.ts';
import { ReportedModels } from './reported-models.ts';
import type { ModelView, TransferView } from './views.ts';
import { withdrawalTold } from './withdrawal.ts';

export interface OrchestrationOptions extends ReportOptions {
  readonly modelsDir: string;
  readonly origins: readonly string[];
  readonly downLimit?: number;
  readonly originLimit?: number;
  readonly pools: readonly PoolSetting[];
  readonly poolManager?: PoolManagerSetting;
  /** What is configured counts, and nothing is looked for. */
  readonly gpus?: readonly GpuSetting[];
}

export interface PoolManagerSetting {
  readonly url: string;
  readonly statusPath?: string;
  readonly tokenFile?: string;
}

export interface OrchestrationParts {
  readonly store: Store;
  readonly swarm: Swarm;
  readonly views: ModelViews;
  readonly locator: ModelLocator;
  readonly wanted: FetchWantedModels;
  /** Where the API listens now. */
  readonly api: () => HostPort;
  readonly ready: () => boolean;
  readonly want: (name: string) => Promise<ModelView>;
  readonly remove: (id: string) => Promise<void>;
  /** What is announced to the fleet is to be looked at again. */
  readonly announce: () => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Fires when the daemon ends. */
  readonly signal: AbortSignal;
}

interface Made {
  readonly links: readonly OrchestratorLink[];
  readonly reported: ReportedModels;
  readonly catalog: CatalogEntries;
  readonly registered: RegisteredModels;
  readonly preloads: Preloads;
}

/** How late a retirement may be noticed when nothing else happens. */
const LOOK_MS = 60_000;

/** Everything that orchestrators see of this node: what is reported to them, and what they may ask for. */
export class Orchestration {
  readonly links: readonly OrchestratorLink[];
  readonly reported: ReportedModels;
  readonly catalog: CatalogEntries;
  readonly preloads: Preloads;
  readonly #registered: RegisteredModels;
  readonly #pools: NodePools;
  readonly #registrations: Registrations;
  readonly #parts: OrchestrationParts;
  readonly #retirementWake = new Wake();

  private constructor(parts: OrchestrationParts, pools: NodePools, registrations: Registrations, made: Made) {
    this.#parts = parts;
    this.#pools = pools;
    this.#registrations = registrations;
    this.links = made.links;
    this.reported = made.reported;
    this.catalog = made.catalog;
    this.preloads = made.preloads;
    this.#registered = made.registered;
    registrations.on('change', () => {
      this.#changed();
      this.#retirementWake.notify();
    });
    pools.on('change', () => this.#changed());
    // A model that starts or ends to come is news as well.
    parts.wanted.on('transfer', () => this.#notify());
  }

  static async open(options: OrchestrationOptions, parts: OrchestrationParts): Promise<Orchestration> {
    const { store, swarm, wanted, clock, log } = parts;
    const pools = new NodePools(options, { manager: managerOf(options, parts) });
    const registrations = await Registrations.open(store);
    const reported = new ReportedModels({ catalog: store.catalog, registrations, clock });
    const bytesPerSecond = Math.min(options.downLimit ?? Infinity, options.originLimit ?? Infinity);
    const registered = new RegisteredModels({ ...options, bytesPerSecond }, { ...parts, registrations });
    const members = new FleetMembers({
      ...parts,
      name: options.name,
      address: () => `http://${formatHostPort(advertised(options, parts.api()))}`,
      names: () => reported.names(),
      pools: () => pools.list(),
    });
    const links = linkOrchestrators(options, {
      ...parts,
      capabilities: await detectCapabilities(options.gpus, log),
      peerId: swarm.peerId,
      available: () => reported.names(),
      isId: (name) => store.catalog.findModel(name)?.id === name,
      digests: () => reported.digests(),
      pools: () => pools.list(),
      disk: () => store.space.latest,
      active: () => [...wanted.active(), ...registered.active()],
    });
    const catalog = new CatalogEntries({ ...parts, registrations, registered, members });
    const preloads = await Preloads.open({ ...parts, pools, registrations });
    return new Orchestration(parts, pools, registrations, { links, reported, catalog, registered, preloads });
  }

  /** Downloads of registered models, beside those that are wanted. */
  transfers(): TransferView[] {
    return this.#registered.active();
  }

  /**
   * Resolves when orchestrators and fleet know that the model is not here any more.
   * @throws AbortError when the daemon ends before that
   */
  async withdrawn(model: string): Promise<void> {
    const { swarm, clock, log, signal } = this.#parts;
    await withdrawalTold(model, { orchestrators: this.links, gossip: swarm.gossip, clock, log }, signal);
  }

  /** From the first scan on: before it nothing is known that could be reported. */
  async run(signal: AbortSignal): Promise<void> {
    this.#changed();
    const { controller, release } = childController(signal);
    const until = controller.signal;
    const { manager } = this.#pools;
    const loops = [
      ...this.links.map((link) => link.run(until)),
      ...(manager === undefined ? [] : [manager.run(until)]),
      this.#registered.run(until),
      this.preloads.run(until),
      this.#watchRetirements(until),
    ];
    // One that fails ends the others; the end is when all have ended, because links say goodbye.
    for (const loop of loops) loop.catch((error: unknown) => controller.abort(error));
    const results = await Promise.allSettled(loops);
    release();
    const failed = results.find((one) => one.status === 'rejected' && !isAbort(one.reason));
    if (failed?.status === 'rejected') throw failed.reason;
  }

  #changed(): void {
    const { swarm, announce, ready } = this.#parts;
    this.#notify();
    swarm.gossip.setMeta({ pools: this.#pools.list().map((pool) => ({ id: pool.id, ready: ready() && pool.ready })) });
    announce();
  }

  #notify(): void {
    for (const link of this.links) link.notify();
  }

  async #watchRetirements(signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts;
    let withheld = this.#registrations.withheld(clock.now());
    while (!signal.aborted) {
      const restMs = this.#registrations.nextRetirementMs(clock.now()) - clock.now();
      await this.#retirementWake.wait(Math.min(LOOK_MS, Math.max(1, restMs)), signal);
      const now = this.#registrations.withheld(clock.now());
      if (now !== withheld) this.#changed();
      withheld = now;
    }
  }
}

function managerOf(options: OrchestrationOptions, parts: OrchestrationParts): PoolManager | undefined {
  const { poolManager, pools } = options;
  if (poolManager === undefined) return undefined;
  const { url, statusPath, tokenFile } = poolManager;
  return new PoolManager(
    { url, ...(statusPath === undefined ? {} : { statusPath }), poolIds: pools.map(({ id }) => id) },
    {
      ...parts,
      token: async () => (tokenFile === undefined ? undefined : (await readFile(tokenFile, 'utf8')).trim()),
    },
  );
}
