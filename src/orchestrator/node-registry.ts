import { EventEmitter } from 'node:events';
import type { Clock } from '../util/clock.ts';
import { ShoalError } from '../util/errors.ts';
import type { Log } from '../util/log.ts';
import { type Heartbeat, type Registration, withKnownFields } from './documents.ts';
import { FleetNode, type FleetPool, type NodeRecord, type NodeStatus, recordBytes } from './fleet-node.ts';
import { assertOwner, type Claim, mayReport } from './identity.ts';
import { FORGET_AFTER_MS, LIMITS, OFFLINE_AFTER_MS, SWEEP_MS } from './limits.ts';
import { ModelIndex } from './model-index.ts';
import { ModelList } from './model-list.ts';
import { ModelSizes } from './model-sizes.ts';
import { RetainedBytes } from './retained-bytes.ts';
import type { DurableTable } from './table.ts';

export interface FleetEvents {
  /** What is known of the node has changed; it is gone when `status` is undefined. */
  node: [{ readonly nodeId: string; readonly status: NodeStatus | undefined; readonly reason: string }];
  /** The pool may take a task that it could not take before. */
  capacity: [FleetPool];
  /** The pool is not reported any more. */
  withdrawn: [FleetPool];
}

export interface NodeChange {
  readonly draining?: boolean;
  readonly priority?: number;
}

export interface NodeRegistryParts {
  readonly table: DurableTable<NodeRecord>;
  readonly clock: Clock;
  readonly log: Log;
  /** What all nodes together may take of memory. */
  readonly retained?: RetainedBytes;
}

/** The nodes that registered, what their newest heartbeats say, and who is alive. */
export class NodeRegistry extends EventEmitter<FleetEvents> {
  readonly index = new ModelIndex();
  readonly sizes = new ModelSizes({ maxBytes: LIMITS.modelSizesBytes });
  readonly #nodes = new Map<string, FleetNode>();
  /** Nodes that are not offline, the one that was heard longest ago first. */
  readonly #byHeard = new Map<string, FleetNode>();
  readonly #table: DurableTable<NodeRecord>;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #retained: RetainedBytes;
  #version = 1;
  #online = 0;

  private constructor(parts: NodeRegistryParts) {
    super();
    this.#retained = parts.retained ?? new RetainedBytes({ maxBytes: LIMITS.retainedBytes });
    this.#table = parts.table;
    this.#clock = parts.clock;
    this.#log = parts.log;
  }

  /** Knows the nodes of the last run at once; none of them is online before its next heartbeat. */
  static async open(parts: NodeRegistryParts): Promise<NodeRegistry> {
    const registry = new NodeRegistry(parts);
    const now = parts.clock.monotonic();
    for await (const [id, record] of parts.table.entries()) registry.#add(new FleetNode(id, record, now));
    return registry;
  }

  /** Grows with every change of what is available where. */
  get version(): number {
    this.sweep();
    return this.#version;
  }

  get onlineNodes(): number {
    this.sweep();
    return this.#online;
  }

  get size(): number {
    return this.#nodes.size;
  }

  /** In no order; also those that are not online. */
  nodes(): IterableIterator<FleetNode> {
    this.sweep();
    return this.#nodes.values();
  }

  find(nodeId: string): FleetNode | undefined {
    this.sweep();
    return this.#nodes.get(nodeId);
  }

  /** @throws ShoalError `not-found` */
  get(nodeId: string): FleetNode {
    const node = this.find(nodeId);
    if (node !== undefined) return node;
    throw new ShoalError('not-found', `no node "${nodeId.slice(0, 256)}" is registered`, {
      remedy: 'Register it with POST /v2/nodes/register.',
    });
  }

  /** @throws ShoalError `conflict` when the id is another node's, `source-busy` when there are too many */
  async register(given: Registration, claim: Claim): Promise<FleetNode> {
    this.sweep();
    const id = given.node_id;
    const known = this.#nodes.get(id);
    if (known !== undefined) assertOwner(known, given, claim, this.#log);
    else if (this.#nodes.size >= LIMITS.nodes) {
      throw new ShoalError('source-busy', `${LIMITS.nodes} nodes are registered: no more are taken`, {
        remedy: 'Delete nodes that are gone with DELETE /v2/nodes/{id}.',
      });
    }
    const record: NodeRecord = {
      registration: withKnownFields(given),
      registeredAtMs: this.#clock.now(),
      source: claim.source,
      draining: known?.record.draining ?? false,
      ...(known?.record.priority === undefined ? {} : { priority: known.record.priority }),
    };
    this.#retained.assertRoom(known?.bytes ?? 0, recordBytes(record));
    const node = known ?? new FleetNode(id, record, this.#clock.monotonic());
    if (known === undefined) this.#add(node);
    else this.#weigh(node, () => (node.record = record));
    // A node that starts anew has said nothing yet.
    this.#silence(node, 'registering', 'registered');
    node.order.restart();
    await this.#table.put(id, record);
    return node;
  }

  /**
   * @throws ShoalError `not-found` when the node has to register first, also because this heartbeat was held up on its
   * way; `invalid`; `source-busy` when the fleet is too large
   */
  heartbeat(nodeId: string, heartbeat: Heartbeat, claim: Claim): FleetNode {
    const node = this.#reporting(nodeId, claim);
    const now = this.#clock.monotonic();
    const writtenMs = Date.parse(heartbeat.timestamp);
    const whyStale = node.order.whyStale(writtenMs, now);
    if (whyStale !== undefined) {
      // It proves nothing about now, not even that the node lives. A sender whose clock was set learns it this way.
      throw new ShoalError('not-found', `the heartbeat of "${nodeId}" says what held before: ${whyStale}`, {
        remedy: 'Register again, and send what holds now.',
      });
    }
    try {
      this.#apply(node, heartbeat, now);
    } catch (error) {
      node.faultMs = now;
      throw error;
    }
    node.order.taken(writtenMs, now);
    node.heardMs = now;
    node.lastHeartbeatAtMs = this.#clock.now();
    node.faultMs = undefined;
    this.#byHeard.delete(nodeId);
    this.#byHeard.set(nodeId, node);
    return node;
  }

  /** It sent a heartbeat that cannot be read: if that goes on, it has failed rather than gone. */
  fault(nodeId: string, claim: Claim): void {
    this.#reporting(nodeId, claim).faultMs = this.#clock.monotonic();
  }

  /** Its id is free again. Returns whether it was known. */
  async remove(nodeId: string): Promise<boolean> {
    const node = this.#nodes.get(nodeId);
    if (node === undefined) return false;
    this.#forget(node, 'deleted');
    await this.#table.del(nodeId);
    return true;
  }

  /** @throws ShoalError `not-found` */
  async change(nodeId: string, change: NodeChange): Promise<FleetNode> {
    const node = this.get(nodeId);
    this.#weigh(node, () => (node.record = { ...node.record, ...change }));
    this.#version += 1;
    this.emit('node', { nodeId, status: node.status, reason: 'changed by the operator' });
    this.#tellCapacity(node);
    await this.#table.put(nodeId, node.record);
    return node;
  }

  /** Takes out whoever has been silent for too long: cheap, because it looks at the most silent first. */
  sweep(): void {
    const now = this.#clock.monotonic();
    for (const node of this.#byHeard.values()) {
      if (now - node.heardMs <= OFFLINE_AFTER_MS) return;
      const isFaulty = node.faultMs !== undefined && now - node.faultMs <= OFFLINE_AFTER_MS;
      this.#byHeard.delete(node.id);
      this.#log.warn({ node: node.id, silentMs: Math.round(now - node.heardMs), isFaulty }, 'node is offline');
      this.#silence(node, isFaulty ? 'failed' : 'offline', isFaulty ? 'sends what cannot be read' : 'silent');
    }
  }

  async run(signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#clock.sleep(SWEEP_MS, signal);
      this.sweep();
      const now = this.#clock.monotonic();
      for (const node of this.#nodes.values()) {
        const stillFails = node.faultMs !== undefined && now - node.faultMs <= OFFLINE_AFTER_MS;
        if (node.presence === 'failed' && !stillFails) this.#silence(node, 'offline', 'silent');
        if (node.presence !== 'offline' || now - node.heardMs <= FORGET_AFTER_MS) continue;
        this.#forget(node, 'silent for a week');
        await this.#table.del(node.id);
      }
    }
  }

  #add(node: FleetNode): void {
    this.#nodes.set(node.id, node);
    this.#byHeard.set(node.id, node);
    this.#retained.replace(0, node.bytes);
    this.#version += 1;
  }

  /** Keeps count of what the change makes of the node. */
  #weigh<T>(node: FleetNode, change: () => T): T {
    const before = node.bytes;
    const result = change();
    this.#retained.replace(before, node.bytes);
    return result;
  }

  #reporting(nodeId: string, claim: Claim): FleetNode {
    const node = this.get(nodeId);
    if (mayReport(node.record, claim)) return node;
    throw new ShoalError('not-found', `"${nodeId}" has not registered from this address`, {
      remedy: 'Register again: that proves that it is the same node.',
    });
  }

  #apply(node: FleetNode, heartbeat: Heartbeat, now: number): void {
    const before = node.online ? node.models : ModelList.empty;
    const { contents, bytes } = node.read(heartbeat, now);
    this.index.assertRoomFor(before, contents.all.names);
    this.#retained.assertRoom(node.bytes, bytes);
    const status = node.status;
    const poolsBefore = node.pools;
    const hasChanged = this.#weigh(node, () => node.apply(heartbeat, contents, now));
    this.index.replace(node, before, node.models);
    for (const { id, bytes_total: bytes } of contents.incoming.values()) this.sizes.note(id, bytes);
    if (!node.online) this.#online += 1;
    const isNew = !node.online;
    node.presence = 'online';
    if (hasChanged || isNew || node.status !== status) this.#version += 1;
    if (isNew) this.#log.info({ node: node.id, models: node.models.names.length }, 'node is online');
    const reason = isNew ? 'first heartbeat' : 'heartbeat';
    if (hasChanged || node.status !== status) this.emit('node', { nodeId: node.id, status: node.status, reason });
    for (const [id, pool] of poolsBefore) if (!node.pools.has(id)) this.emit('withdrawn', pool);
    this.#tellCapacity(node);
  }

  #tellCapacity(node: FleetNode): void {
    if (this.listenerCount('capacity') === 0) return;
    for (const pool of node.pools.values()) if (pool.ready && pool.freeSlots > 0) this.emit('capacity', pool);
  }

  /** From now on it offers nothing. */
  #silence(node: FleetNode, presence: 'registering' | 'offline' | 'failed', reason: string): void {
    if (node.online) {
      this.#online -= 1;
      this.index.remove(node);
    }
    node.presence = presence;
    this.#weigh(node, () => node.forgetContents());
    this.#version += 1;
    if (presence === 'registering') {
      node.heardMs = this.#clock.monotonic();
      this.#byHeard.delete(node.id);
      this.#byHeard.set(node.id, node);
    }
    this.emit('node', { nodeId: node.id, status: node.status, reason });
  }

  #forget(node: FleetNode, reason: string): void {
    this.#silence(node, 'offline', reason);
    this.#byHeard.delete(node.id);
    this.#nodes.delete(node.id);
    this.#retained.replace(node.bytes, 0);
    for (const pool of node.pools.values()) this.emit('withdrawn', pool);
    this.emit('node', { nodeId: node.id, status: undefined, reason });
  }
}
