import type { Heartbeat, HeartbeatPool, Registration } from './documents.ts';
import { HeartbeatOrder } from './heartbeat-order.ts';
import { OFFLINE_AFTER_MS } from './limits.ts';
import { ModelList } from './model-list.ts';
import {
  contentsBytes,
  type IncomingModel,
  type NodeContents,
  nothing,
  readContents,
  smoothed,
} from './node-contents.ts';
import { SlotCount } from './slot-count.ts';
import { type LowestFacts, lowestOf } from './strategy.ts';

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
  readonly slots: SlotCount;
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
    this.slots = new SlotCount(() => node.poolsHaveChanged());
  }

  /** `order` grows with each task that is placed anywhere. */
  placed(order: number): void {
    this.lastPlaced = order;
    this.node.poolsHaveChanged();
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

/** The objects around what a node says. */
const RECORD_BYTES = 2_048;

export class FleetNode {
  readonly id: string;
  presence: Presence = 'registering';
  /** By the clock that never goes back: of the last heartbeat, or of the registration before there was one. */
  heardMs: number;
  /** By the wall clock, for people; absent before the first heartbeat. */
  lastHeartbeatAtMs: number | undefined;
  readonly order = new HeartbeatOrder({ maxDelayMs: OFFLINE_AFTER_MS });
  /** When a heartbeat was refused for its form. */
  faultMs: number | undefined;
  /** From where others claimed its id in vain last. */
  claimedFrom: string | undefined;
  pools = new Map<string, FleetPool>();
  bytesPerSecond: number | undefined;
  /** The disk of its models by its last word, for people. */
  disk: { readonly freeBytes: number; readonly totalBytes: number } | undefined;
  #contents: NodeContents = nothing;
  #contentsBytes = 0;
  #recordBytes: number;
  #record: NodeRecord;
  #lowest: LowestFacts | undefined;

  constructor(id: string, record: NodeRecord, heardMs: number) {
    this.id = id;
    this.#record = record;
    this.#recordBytes = recordBytes(record);
    this.heardMs = heardMs;
  }

  get record(): NodeRecord {
    return this.#record;
  }

  set record(record: NodeRecord) {
    this.#record = record;
    this.#recordBytes = recordBytes(record);
    this.poolsHaveChanged();
  }

  /** What placement needs to pass over a node without a look at its pools. */
  get lowest(): LowestFacts {
    this.#lowest ??= lowestOf(this.pools.values());
    return this.#lowest;
  }

  poolsHaveChanged(): void {
    this.#lowest = undefined;
  }

  get models(): ModelList {
    return this.#contents.all;
  }

  get incoming(): ReadonlyMap<string, IncomingModel> {
    return this.#contents.incoming;
  }

  get digests(): ReadonlyMap<string, string> {
    return this.#contents.digests;
  }

  /** Its share of what the orchestrator holds in memory. */
  get bytes(): number {
    return this.#recordBytes + this.#contentsBytes;
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

  /** What the heartbeat says of models, and what the node would weigh with it. @throws ShoalError `invalid` */
  read(heartbeat: Heartbeat, nowMs: number): { readonly contents: NodeContents; readonly bytes: number } {
    const contents = readContents(heartbeat, this.#contents, nowMs - this.heardMs);
    return { contents, bytes: this.#recordBytes + contentsBytes(contents) };
  }

  /** Takes over what was read of the heartbeat; returns whether what is where has changed. */
  apply(heartbeat: Heartbeat, contents: NodeContents, nowMs: number): boolean {
    const before = this.#contents;
    let changed = contents.all !== before.all || heartbeat.pools.length !== this.pools.size;
    const pools = new Map<string, FleetPool>();
    for (const said of heartbeat.pools) {
      const pool = this.pools.get(said.pool_id) ?? new FleetPool(this, said.pool_id);
      const models = contents.pools.get(said.pool_id) ?? contents.own;
      changed ||= pool.models !== models || pool.ready !== said.ready || !this.pools.has(said.pool_id);
      pool.models = models;
      pool.take(said);
      pools.set(said.pool_id, pool);
    }
    this.pools = pools;
    this.poolsHaveChanged();
    const { disk } = heartbeat;
    this.disk = disk ? { freeBytes: disk.free_bytes, totalBytes: disk.total_bytes } : undefined;
    this.#contents = contents;
    this.#contentsBytes = contentsBytes(contents);
    if (contents.movedBytes > 0) {
      this.bytesPerSecond = smoothed(this.bytesPerSecond, (contents.movedBytes * 1000) / (nowMs - this.heardMs));
    }
    return changed || !sameKeys(contents.incoming, before.incoming) || !sameEntries(contents.digests, before.digests);
  }

  /** What it had may be other bytes when it is heard of again, and until then it offers nothing. */
  forgetContents(): void {
    this.#contents = nothing;
    this.#contentsBytes = 0;
    for (const pool of this.pools.values()) {
      pool.models = ModelList.empty;
      pool.slots.forgetBusy();
    }
  }
}

/** What a node that has said nothing yet weighs. */
export function recordBytes(record: NodeRecord): number {
  return RECORD_BYTES + 2 * JSON.stringify(record).length;
}

function sameKeys(one: ReadonlyMap<string, unknown>, other: ReadonlyMap<string, unknown>): boolean {
  if (one.size !== other.size) return false;
  for (const key of one.keys()) if (!other.has(key)) return false;
  return true;
}

function sameEntries(one: ReadonlyMap<string, string>, other: ReadonlyMap<string, string>): boolean {
  if (one.size !== other.size) return false;
  for (const [key, value] of one) if (other.get(key) !== value) return false;
  return true;
}
