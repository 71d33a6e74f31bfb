import type { FleetNode } from '../swarm/fleet-node.ts';
import type { Swarm } from '../swarm/swarm.ts';
import type { Clock } from '../util/clock.ts';
import { availableNames, type PoolReport } from './heartbeat-documents.ts';

/** A node of the fleet, as the others know it. */
export interface FleetMember {
  readonly nodeId: string;
  /** `http://host:port` of its API; empty while it has told none. */
  readonly address: string;
  readonly online: boolean;
  /** Ids and aliases of what it has installed, sorted. */
  readonly models: readonly string[];
  readonly pools: readonly { readonly poolId: string; readonly ready: boolean; readonly models: readonly string[] }[];
}

export interface FleetMembersParts {
  readonly name: string;
  readonly address: () => string;
  readonly ready: () => boolean;
  readonly names: () => readonly string[];
  readonly pools: () => readonly Pick<PoolReport, 'id' | 'ready'>[];
  readonly swarm: Swarm;
  readonly clock: Clock;
}

/** A node tells of itself every 30 s. */
const SILENT_AFTER_MS = 45_000;

/** All nodes of the fleet from what they gossip: the same answer from every daemon, without a server. */
export class FleetMembers {
  readonly #parts: FleetMembersParts;
  /** By peer id: when the connection to it ended, by the monotonic clock. */
  readonly #lostMs = new Map<string, number>();
  /** What a node announces stays the same for a long time. */
  readonly #names = new WeakMap<object, readonly string[]>();

  constructor(parts: FleetMembersParts) {
    this.#parts = parts;
    const { swarm, clock } = parts;
    swarm.onPeer({
      connect: (peerId) => this.#lostMs.delete(peerId),
      disconnect: (peerId) => this.#lostMs.set(peerId, clock.monotonic()),
    });
    swarm.fleet.on('change', ({ kind, peerId }) => {
      if (kind === 'left') this.#lostMs.delete(peerId);
    });
  }

  list(): FleetMember[] {
    const { name, address, ready, names, pools, swarm } = this.#parts;
    const own = names();
    const isReady = ready();
    const members: FleetMember[] = [
      {
        nodeId: name,
        address: address(),
        online: isReady,
        models: own,
        pools: pools().map((pool) => ({ poolId: pool.id, ready: isReady && pool.ready, models: own })),
      },
    ];
    const taken = new Set([name]);
    for (const node of swarm.fleet.nodes()) {
      // Two nodes of one name are two nodes.
      const nodeId = taken.has(node.name) ? `${node.name}-${node.peerId.slice(-8)}` : node.name;
      taken.add(nodeId);
      const online = this.#isOnline(node.peerId, node.seenAt);
      const models = this.#namesOf(node);
      members.push({
        nodeId,
        address: node.api ?? '',
        online,
        models,
        pools: node.pools.map(({ id, ready: isPoolReady }) => ({ poolId: id, ready: online && isPoolReady, models })),
      });
    }
    return members;
  }

  /** Connected, or heard of lately and not lost since: a node that crashed is offline at once, not when its record is. */
  #isOnline(peerId: string, seenAtMs: number): boolean {
    const { swarm, clock } = this.#parts;
    if (swarm.isConnected(peerId)) return true;
    const lostMs = this.#lostMs.get(peerId);
    return clock.monotonic() - seenAtMs <= SILENT_AFTER_MS && (lostMs === undefined || lostMs < seenAtMs);
  }

  #namesOf(node: FleetNode): readonly string[] {
    const known = this.#names.get(node.record);
    if (known !== undefined) return known;
    const names = availableNames([...node.models()].filter(({ retired }) => retired !== true));
    this.#names.set(node.record, names);
    return names;
  }
}
