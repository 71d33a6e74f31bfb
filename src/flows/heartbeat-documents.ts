import { createHash } from 'node:crypto';
import type { Model } from '../content/model.ts';
import type { Disk } from '../store/space.ts';

/**
 * The documents of the llama-orch node protocol, version 2: `POST /v2/nodes/register` and
 * `POST /v2/nodes/{node_id}/heartbeat`. What Shoal adds is `models_available`, `models_incoming`, `model_digests` and
 * `disk`; consumers that do not know them ignore them.
 */
export interface RegistrationDocument {
  readonly node_id: string;
  readonly machine_id: string;
  /** `http://host:port` of this node's API. */
  readonly address: string;
  readonly pools: readonly string[];
  readonly capabilities: Capabilities;
  readonly version: string;
}

export interface Capabilities {
  readonly gpus: readonly Gpu[];
  readonly cpu_cores: number;
  readonly ram_total_bytes: number;
}

export interface Gpu {
  readonly device_id: number;
  readonly name: string;
  readonly vram_total_bytes: number;
  readonly compute_capability: string;
}

export interface HeartbeatDocument {
  /** RFC 3339. */
  readonly timestamp: string;
  readonly pools: readonly PoolStatus[];
  /** Ids and aliases of the models that are installed and verified now, sorted. */
  readonly models_available: readonly string[];
  readonly models_incoming: readonly IncomingModel[];
  /** `sha256:<hex>` of each available model, by each of its names. */
  readonly model_digests: Readonly<Record<string, string>>;
  /** The disk that holds the models; absent while it cannot be reached. */
  readonly disk?: DiskStatus;
}

export interface DiskStatus {
  readonly free_bytes: number;
  readonly total_bytes: number;
}

export interface PoolStatus {
  readonly pool_id: string;
  readonly ready: boolean;
  readonly draining: boolean;
  readonly slots_free: number;
  readonly slots_total: number;
  readonly vram_free_bytes: number;
  readonly engine?: string;
  readonly models_available: readonly string[];
}

export interface IncomingModel {
  readonly id: string;
  readonly digest: string | null;
  readonly bytes_total: number;
  readonly bytes_missing: number;
  /** By the rate of the last seconds; null while nothing is measured yet or nothing moves: no estimate is better than a wrong one. */
  readonly eta_ms: number | null;
}

/** What is told of one pool, beside its models. */
export interface PoolReport {
  readonly id: string;
  readonly engine?: string;
  readonly ready: boolean;
  readonly draining: boolean;
  readonly slotsFree: number;
  readonly slotsTotal: number;
  readonly vramFreeBytes: number;
}

export function availableNames(models: Iterable<Model>): string[] {
  const names = new Set<string>();
  for (const model of models) {
    names.add(model.id);
    for (const alias of model.aliases) names.add(alias);
  }
  return [...names].sort();
}

/** Null-prototype: names are strangers' words. */
export function digestsByName(models: Iterable<Model>): Readonly<Record<string, string>> {
  const digests = Object.create(null) as Record<string, string>;
  for (const { id, aliases, digest } of models) for (const name of [...aliases, id]) digests[name] = digest;
  return digests;
}

export function heartbeatDocument(facts: {
  now: number;
  ready: boolean;
  pools: readonly PoolReport[];
  available: readonly string[];
  incoming: readonly IncomingModel[];
  digests: Readonly<Record<string, string>>;
  disk?: Disk | undefined;
}): HeartbeatDocument {
  return {
    timestamp: new Date(facts.now).toISOString(),
    pools: facts.pools.map((pool) => ({
      pool_id: pool.id,
      ready: facts.ready && pool.ready,
      draining: pool.draining,
      slots_free: pool.slotsFree,
      slots_total: pool.slotsTotal,
      vram_free_bytes: pool.vramFreeBytes,
      ...(pool.engine === undefined ? {} : { engine: pool.engine }),
      models_available: facts.available,
    })),
    models_available: facts.available,
    models_incoming: facts.incoming,
    model_digests: facts.digests,
    ...(facts.disk === undefined ? {} : { disk: diskStatus(facts.disk) }),
  };
}

/** Some file systems call more free than there is. */
function diskStatus({ freeBytes, totalBytes }: Disk): DiskStatus {
  return { free_bytes: Math.min(freeBytes, totalBytes), total_bytes: totalBytes };
}

/** A name for this machine that survives a renamed node and says nothing about it. */
export function machineId(peerId: string): string {
  return createHash('sha256').update(`shoal machine ${peerId}`).digest('hex').slice(0, 32);
}
