import type { Heartbeat, HeartbeatPool, Incoming, Registration } from './documents.ts';
import { ModelList } from './model-list.ts';
import { SlotCount } from './slot-count.ts';

export type NodeStatus = 'Registering' | 'Online' | 'Draining' | 'Offline' | 'Failed';

/** What is written down of a node, and read again after a restart. */
export interface NodeRecord {
  readonly registration: Registration;
  /** Milliseconds since the epoch. */
  readonly registeredAtMs: number;
  /** Where its requests come from: part of what binds its id. */
  readonly source: string;
  /** Set by the operator; it stays over restarts of either side. */
  readonly draining: boolean;
  readonly priority?: number;
}

/** `registering` until the first heartbeat, also after a restart of the orchestrator. */
export type Presence = 'registering' | 'online' | 'offline' | 'failed';

/** One pool as its node's newest heartbeat describes it. The object stays the same for as long as the pool is reported. */
export class FleetPool {
  readonly node: FleetNode;
  readonly poolId: string;
  readonly slots = new SlotCount();
  ready = false;
  draining = false;
  slotsFree = 0;
  slotsTotal = 0;
  vramFreeBytes = 0;
  engine: string | undefined;
  ownPriority: number | undefined;
  models: ModelList = ModelList.empty;
  /** When a task was last placed here, as a number that only grows. */
  lastPlaced = 0;
  /** What a task takes here, smoothed, once callers have said it. */
  taskMs: number | undefined;

  constructor(node: FleetNode, poolId: string) {
    this.node = node;
    this.poolId = poolId;
  }

  /** Everything but its models. */
  take(said: HeartbeatPool): void {
    this.ready = said.ready;
    this.draining = said.draining;
    this.slotsFree = said.slots_free;
    this.slotsTotal = said.slots_total;
    this.vramFreeBytes = said.vram_free_bytes;
    this.engine = said.engine ?? undefined;
    this.ownPriority = said.priority;
    this.slots.observe(said.slots_total - said.slots_free, said.leases);
  }

  /** Free by its own word, less what leases have been promised. */
  get freeSlots(): number {
    return Math.max(0, this.slotsFree - this.slots.promised);
  }

  /** The operator's word counts most, then the pool's, then the node's. */
  get priority(): number {
    return this.node.record.priority ?? this.ownPriority ?? this.node.record.registration.priority ?? 1;
  }
}

export interface IncomingModel extends Incoming {
  /** Measured from one heartbeat to the next. */
  readonly bytesPerSecond: number | undefined;
}

export class FleetNode {
  readonly id: string;
  record: NodeRecord;
  presence: Presence = 'registering';
  /** By the clock that never goes back: of the last heartbeat, or of the registration before there was one. */
  heardMs: number;
  /** By the wall clock, for people; absent before the first heartbeat. */
  lastHeartbeatAtMs: number | undefined;
  /** What the node itself wrote; only compared with its own earlier ones. */
  lastTimestampMs: number | undefined;
  /** When a heartbeat was refused for its form. */
  faultMs: number | undefined;
  models: ModelList = ModelList.empty;
  pools = new Map<string, FleetPool>();
  incoming = new Map<string, IncomingModel>();
  /** Digests of what is available, as far as they are known. */
  digests = new Map<string, string>();
  bytesPerSecond: number | undefined;
  /** `models` less what only pools report. */
  #own: ModelList = ModelList.empty;

  constructor(id: string, record: NodeRecord, heardMs: number) {
    this.id = id;
    this.record = record;
    this.heardMs = heardMs;
  }

  get address(): string {
    return this.record.registration.address.replace(/\/$/, '');
  }

  get online(): boolean {
    return this.presence === 'online';
  }

  get draining(): boolean {
    if (this.record.draining) return true;
    if (this.pools.size === 0) return false;
    for (const pool of this.pools.values()) if (!pool.draining) return false;
    return true;
  }

  get status(): NodeStatus {
    switch (this.presence) {
      case 'registering':
        return 'Registering';
      case 'online':
        return this.draining ? 'Draining' : 'Online';
      case 'offline':
        return 'Offline';
      case 'failed':
        return 'Failed';
    }
  }

  /** Takes over what the heartbeat says; returns whether what is where has changed. */
  apply(heartbeat: Heartbeat, nowMs: number): boolean {
    const own = ModelList.from(heartbeat.models_available ?? [], this.#own);
    let all = own;
    let changed = heartbeat.pools.length !== this.pools.size;
    const pools = new Map<string, FleetPool>();
    for (const said of heartbeat.pools) {
      const pool = this.pools.get(said.pool_id) ?? new FleetPool(this, said.pool_id);
      const models = listOfPool(said.models_available ?? undefined, own, pool.models);
      changed ||= pool.models !== models || pool.ready !== said.ready || !this.pools.has(said.pool_id);
      pool.models = models;
      pool.take(said);
      pools.set(said.pool_id, pool);
      all = all.with(models);
    }
    all = ModelList.from(all.names, this.models);
    changed ||= all !== this.models;
    this.#own = own;
    this.pools = pools;
    this.models = all;
    this.#applyDigests(heartbeat);
    return this.#applyIncoming(heartbeat.models_incoming ?? [], nowMs - this.heardMs) || changed;
  }

  /** What it had may be other bytes when it is heard of again. */
  forgetContents(): void {
    this.digests = new Map();
    this.incoming = new Map();
  }

  /** A model that has arrived has the digest with which it was announced: the node has verified it. */
  #applyDigests(heartbeat: Heartbeat): void {
    const said = heartbeat.model_digests ?? {};
    const digests = new Map<string, string>();
    for (const name of this.models.names) {
      const digest = Object.hasOwn(said, name)
        ? said[name]
        : (this.digests.get(name) ?? this.incoming.get(name)?.digest ?? undefined);
      if (digest !== undefined) digests.set(name, digest);
    }
    this.digests = digests;
  }

  /** Returns whether other models are on their way than before. */
  #applyIncoming(said: readonly Incoming[], elapsedMs: number): boolean {
    const incoming = new Map<string, IncomingModel>();
    let moved = 0;
    for (const model of said) {
      const before = this.incoming.get(model.id);
      const bytes = before === undefined ? 0 : Math.max(0, before.bytes_missing - model.bytes_missing);
      moved += bytes;
      const rate = elapsedMs < 100 || before === undefined ? before?.bytesPerSecond : (bytes * 1000) / elapsedMs;
      incoming.set(model.id, { ...model, bytesPerSecond: smoothed(before?.bytesPerSecond, rate) });
    }
    if (moved > 0 && elapsedMs >= 100) {
      this.bytesPerSecond = smoothed(this.bytesPerSecond, (moved * 1000) / elapsedMs);
    }
    const isSame = incoming.size === this.incoming.size && said.every(({ id }) => this.incoming.has(id));
    this.incoming = incoming;
    return !isSame;
  }
}

/** Half of the new, half of what was. */
export function smoothed(before: number | undefined, now: number | undefined): number | undefined {
  if (before === undefined || now === undefined) return now ?? before;
  return (before + now) / 2;
}

/** The node's own object where the names are the same, or where the pool says nothing. */
function listOfPool(said: readonly string[] | undefined, own: ModelList, before: ModelList): ModelList {
  if (said === undefined) return own;
  const shared = ModelList.from(said, own);
  return shared === own ? own : ModelList.from(shared.names, before);
}
