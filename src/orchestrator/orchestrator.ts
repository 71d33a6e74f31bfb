import type { Clock } from '../util/clock.ts';
import { ShoalError } from '../util/errors.ts';
import { type Random, seededRandom } from '../util/random.ts';
import type { FleetNode, FleetPool } from './fleet-node.ts';
import { type Lease, LeaseBook } from './lease-book.ts';
import type { ModelCatalog } from './model-catalog.ts';
import type { NodeRegistry } from './node-registry.ts';
import { choose, type Demand, type Refusal, refusalOf, type StrategyName, strategies } from './placement.ts';
import { PlacementQueue } from './placement-queue.ts';
import { RefusalMemory } from './refusal-memory.ts';
import { type Prospect, prospects } from './soonest.ts';

export interface PlacementWish {
  readonly models: readonly string[];
  readonly digest?: string;
  readonly strategy: StrategyName;
  /** How many candidates are wanted. */
  readonly count: number;
  readonly exclude: readonly string[];
  readonly maxWaitMs: number;
  /** Takes a slot of the best candidate for so long. */
  readonly leaseMs?: number;
  /** Repeats a choice by chance. */
  readonly seed?: number;
}

export interface Placement {
  readonly candidates: readonly { readonly pool: FleetPool; readonly reason: string }[];
  readonly lease: Lease | undefined;
}

export interface RefusedPool {
  readonly pool: FleetPool;
  readonly reason: Refusal;
}

/** Why no pool takes the task. */
export interface NoPlacement {
  readonly refused: readonly RefusedPool[];
  readonly counts: Readonly<Partial<Record<Refusal, number>>>;
  readonly prospects: readonly Prospect[];
}

/** More is not read by anybody; the counts tell the rest. */
const REFUSED_MAX = 1_000;
const PROSPECTS_MAX = 5;
const EXPIRY_PERIOD_MS = 100;

/** Places tasks on the pools of the registry. */
export class Orchestrator {
  readonly registry: NodeRegistry;
  readonly catalog: ModelCatalog;
  readonly leases: LeaseBook;
  readonly queue: PlacementQueue;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #refusals = new RefusalMemory<NoPlacement>();
  #placed = 0;

  constructor(parts: {
    registry: NodeRegistry;
    catalog: ModelCatalog;
    clock: Clock;
    random: Random;
    newId: () => string;
  }) {
    this.registry = parts.registry;
    this.catalog = parts.catalog;
    this.#clock = parts.clock;
    this.#random = parts.random;
    this.leases = new LeaseBook(parts);
    this.queue = new PlacementQueue(parts);
    this.registry.on('capacity', (pool) => this.queue.offer(pool));
    this.registry.on('withdrawn', (pool) => this.leases.drop(pool));
    this.leases.on('freed', (pool) => this.queue.offer(pool));
  }

  /** Leases that run out free their slots for those who wait. */
  async run(signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#clock.sleep(EXPIRY_PERIOD_MS, signal);
      this.leases.expire();
    }
  }

  /** Undefined when no pool can take the task within the time that the caller gives; `whyNot` tells why. */
  async place(wish: PlacementWish, signal: AbortSignal): Promise<Placement | undefined> {
    const found = this.#tryToPlace(wish);
    if (found !== undefined || wish.maxWaitMs === 0) return found;
    const exclude = new Set(wish.exclude);
    const demand = (): Demand => this.#demandOf(wish, exclude);
    const attempt = (): Placement | undefined => this.#tryToPlace(wish, exclude);
    return this.queue.wait({ models: wish.models, demand, attempt, maxMs: wish.maxWaitMs }, signal);
  }

  /** In a large fleet it may be what was true up to 100 ms ago, but for what models are where. */
  whyNot(wish: PlacementWish): NoPlacement {
    const versions = { registry: this.registry.version, catalog: this.catalog.version };
    return this.#refusals.recall(wish, { versions, ms: this.#clock.monotonic() }, () => this.#findWhyNot(wish));
  }

  /** Takes a slot of a pool that the caller chose. @throws ShoalError `not-found`, `conflict` */
  lease(nodeId: string, poolId: string, leaseMs: number): Lease {
    this.leases.expire();
    const pool = this.registry.get(nodeId).pools.get(poolId);
    if (pool === undefined) {
      throw new ShoalError('not-found', `"${nodeId}" reports no pool "${poolId}"`, {
        remedy: 'GET /v2/catalog/availability names the pools of each node.',
      });
    }
    const refusal = refusalOf(pool, { models: [], exclude: new Set(), retired: [] });
    if (refusal !== undefined && refusal !== 'leased') {
      throw new ShoalError('conflict', `pool "${poolId}" of "${nodeId}" takes no task: ${refusal}`, {
        remedy: 'Ask POST /v2/placement for another.',
        fields: { reason: refusal },
      });
    }
    const lease = this.leases.grant(pool, leaseMs);
    this.#mark(pool);
    return lease;
  }

  #findWhyNot(wish: PlacementWish): NoPlacement {
    const demand = this.#demandOf(wish);
    const counts: Partial<Record<Refusal, number>> = {};
    const refused: RefusedPool[] = [];
    const nodes = [...this.registry.nodes()];
    function* counted(): Iterable<RefusedPool> {
      for (const node of nodes) {
        for (const pool of node.pools.values()) {
          const reason = refusalOf(pool, demand);
          if (reason === undefined) continue;
          const one = { pool, reason };
          counts[reason] = (counts[reason] ?? 0) + 1;
          if (refused.length < REFUSED_MAX) refused.push(one);
          yield one;
        }
      }
    }
    // Ten thousand pools may refuse: they are looked at one by one, and few are kept.
    const prospects = this.#prospects(counted(), demand);
    return { refused, counts, prospects };
  }

  #tryToPlace(wish: PlacementWish, exclude?: ReadonlySet<string>): Placement | undefined {
    this.leases.expire();
    const demand = this.#demandOf(wish, exclude);
    const strategy = strategies[wish.strategy];
    const random = wish.seed === undefined ? this.#random : seededRandom(wish.seed);
    const chance = { random, usualTaskMs: this.leases.usualTaskMs };
    const chosen = choose(this.#nodesWith(demand), demand, { strategy, count: wish.count, chance });
    const [best] = chosen;
    if (best === undefined) return undefined;
    const candidates = chosen.map((pool) => ({ pool, reason: strategy.reason(pool, chance) }));
    const lease = wish.leaseMs === undefined ? undefined : this.leases.grant(best, wish.leaseMs);
    this.#mark(best);
    return { candidates, lease };
  }

  #demandOf({ models, digest, exclude }: PlacementWish, excluded?: ReadonlySet<string>): Demand {
    const registered = new Map<string, string>();
    for (const model of models) {
      const known = this.catalog.find(model);
      if (known !== undefined) registered.set(model, known.digest);
    }
    const retired = models.flatMap((model) => this.catalog.retired(model));
    return { models, digest, exclude: excluded ?? new Set(exclude), retired, registered };
  }

  /** Only nodes that have the rarest of the models can have all of them. */
  #nodesWith({ models }: Demand): Iterable<FleetNode> {
    let fewest: ReadonlySet<FleetNode> | undefined;
    this.registry.sweep();
    for (const model of models) {
      const nodes = this.registry.index.nodesWith(model);
      if (nodes === undefined) return [];
      if (fewest === undefined || nodes.size < fewest.size) fewest = nodes;
    }
    return fewest ?? this.registry.nodes();
  }

  #prospects(refused: Iterable<RefusedPool>, demand: Demand): Prospect[] {
    const rates: number[] = [];
    for (const { bytesPerSecond } of this.registry.nodes())
      if (bytesPerSecond !== undefined) rates.push(bytesPerSecond);
    rates.sort((a, b) => a - b);
    return prospects(refused, demand, {
      nowMs: this.#clock.monotonic(),
      sizeOf: (model) => this.catalog.find(model)?.sizeBytes ?? this.registry.sizes.of(model),
      leaseEndMs: (pool) => this.leases.nextEndMs(pool),
      usualBytesPerSecond: rates[rates.length >> 1],
      count: PROSPECTS_MAX,
    });
  }

  /** For strategies that go round. */
  #mark(pool: FleetPool): void {
    this.#placed += 1;
    pool.placed(this.#placed);
  }
}
