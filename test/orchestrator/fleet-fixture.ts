import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Heartbeat, HeartbeatPool, Registration } from '../../src/orchestrator/documents.ts';
import type { NodeRecord } from '../../src/orchestrator/fleet-node.ts';
import type { Claim } from '../../src/orchestrator/identity.ts';
import { type CatalogModel, ModelCatalog } from '../../src/orchestrator/model-catalog.ts';
import { NodeRegistry } from '../../src/orchestrator/node-registry.ts';
import { Orchestrator, type PlacementWish } from '../../src/orchestrator/orchestrator.ts';
import type { RetainedBytes } from '../../src/orchestrator/retained-bytes.ts';
import type { DurableTable } from '../../src/orchestrator/table.ts';
import { seededRandom } from '../../src/util/random.ts';
import { type CollectedLine, collectLog } from '../support/collect-log.ts';
import { VirtualClock } from '../transfer/virtual-clock.ts';

/** A table that forgets nothing but what it is told to, for as long as the test holds it. */
export class MapTable<V> implements DurableTable<V> {
  readonly map = new Map<string, V>();

  async *entries(): AsyncIterable<readonly [string, V]> {
    yield* await Promise.resolve(this.map);
  }

  put(key: string, value: V): Promise<void> {
    // As a database would have it: a copy, made of JSON.
    this.map.set(key, JSON.parse(JSON.stringify(value)) as V);
    return Promise.resolve();
  }

  del(key: string): Promise<void> {
    this.map.delete(key);
    return Promise.resolve();
  }
}

export const here: Claim = { source: '127.0.0.1', proven: false };

/** An orchestrator without a network, whose time passes when the test says so. */
export class TestFleet {
  readonly clock: VirtualClock;
  readonly registry: NodeRegistry;
  readonly orchestrator: Orchestrator;
  readonly catalog: ModelCatalog;
  /** What the registry has logged. */
  readonly lines: readonly CollectedLine[];

  private constructor(
    clock: VirtualClock,
    registry: NodeRegistry,
    catalog: ModelCatalog,
    lines: readonly CollectedLine[],
  ) {
    this.lines = lines;
    this.clock = clock;
    this.registry = registry;
    this.catalog = catalog;
    let leases = 0;
    const newId = (): string => `lease-${(leases += 1)}`;
    this.orchestrator = new Orchestrator({ registry, catalog, clock, random: seededRandom(1), newId });
  }

  static async open(
    given: {
      nodes?: DurableTable<NodeRecord>;
      catalog?: DurableTable<CatalogModel>;
      clock?: VirtualClock;
      retained?: RetainedBytes;
    } = {},
  ): Promise<TestFleet> {
    const { nodes = new MapTable(), catalog = new MapTable(), clock = new VirtualClock(), retained } = given;
    const { log, lines } = collectLog();
    const registry = await NodeRegistry.open({ table: nodes, clock, log, ...(retained && { retained }) });
    return new TestFleet(clock, registry, await ModelCatalog.open({ table: catalog, clock }), lines);
  }

  /** Registers and reports. */
  async join(nodeId: string, pools: readonly Partial<HeartbeatPool>[] = [{}]): Promise<void> {
    await this.registry.register(registration(nodeId), here);
    this.beat(nodeId, pools);
  }

  beat(nodeId: string, pools: readonly Partial<HeartbeatPool>[] = [{}], rest: Partial<Heartbeat> = {}): void {
    const timestamp = new Date(this.clock.now()).toISOString();
    this.registry.heartbeat(nodeId, { timestamp, pools: pools.map(pool), ...rest }, here);
  }

  place(wish: Partial<PlacementWish> = {}): ReturnType<Orchestrator['place']> {
    return this.orchestrator.place(fullWish(wish), new AbortController().signal);
  }

  /** Node ids of the candidates, best first. */
  async candidates(wish: Partial<PlacementWish> = {}): Promise<string[]> {
    return ((await this.place({ count: 100, ...wish }))?.candidates ?? []).map((one) => one.pool.node.id);
  }

  /** Why each pool was refused, by `node/pool`. */
  refusals(wish: Partial<PlacementWish> = {}): Record<string, string> {
    const { refused } = this.orchestrator.whyNot(fullWish(wish));
    return Object.fromEntries(refused.map(({ pool, reason }) => [`${pool.node.id}/${pool.poolId}`, reason]));
  }
}

export function fullWish(wish: Partial<PlacementWish>): PlacementWish {
  return { models: [], strategy: 'least-loaded', count: 3, exclude: [], maxWaitMs: 0, ...wish };
}

export function registration(nodeId: string, rest: Partial<Registration> = {}): Registration {
  return {
    node_id: nodeId,
    machine_id: `machine of ${nodeId}`,
    address: `http://${nodeId}:9200`,
    pools: ['pool-0'],
    capabilities: { gpus: [] },
    ...rest,
  };
}

function pool(given: Partial<HeartbeatPool>, index: number): HeartbeatPool {
  return {
    pool_id: `pool-${index}`,
    ready: true,
    draining: false,
    slots_free: 1,
    slots_total: 1,
    vram_free_bytes: 0,
    models_available: ['m'],
    ...given,
  };
}

export function recorded(name: string): unknown {
  return JSON.parse(readFileSync(join(import.meta.dirname, 'documents', `${name}.json`), 'utf8')) as unknown;
}
