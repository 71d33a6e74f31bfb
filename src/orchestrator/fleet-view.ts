import type { FleetNode, NodeStatus } from './fleet-node.ts';

/** All that is known of a node, for those who look at the fleet. */
export interface FleetNodeView {
  readonly nodeId: string;
  readonly address: string;
  readonly status: NodeStatus;
  /** Since the last heartbeat; undefined before the first. */
  readonly ageMs: number | undefined;
  readonly version: string | undefined;
  readonly draining: boolean;
  readonly models: readonly string[];
  readonly digests: ReadonlyMap<string, string>;
  readonly pools: readonly FleetPoolView[];
  readonly incoming: readonly FleetIncomingView[];
}

export interface FleetPoolView {
  readonly poolId: string;
  readonly ready: boolean;
  readonly draining: boolean;
  /** By its own word. */
  readonly slotsFree: number;
  readonly slotsTotal: number;
  /** Taken by leases whose work it does not show yet. */
  readonly slotsLeased: number;
  readonly vramFreeBytes: number;
  readonly engine: string | undefined;
  readonly models: readonly string[];
}

export interface FleetIncomingView {
  readonly id: string;
  readonly digest: string | undefined;
  readonly bytesTotal: number;
  readonly bytesMissing: number;
  readonly etaMs: number | undefined;
  readonly bytesPerSecond: number | undefined;
}

/** A node that is not online has nothing now; its pools say what it was. */
export function fleetNodeView(node: FleetNode, nowMs: number): FleetNodeView {
  const { online } = node;
  return {
    nodeId: node.id,
    address: node.address,
    status: node.status,
    ageMs: node.lastHeartbeatAtMs === undefined ? undefined : Math.max(0, nowMs - node.heardMs),
    version: node.record.registration.version ?? undefined,
    draining: node.draining,
    models: online ? node.models.names : [],
    digests: online ? node.digests : new Map(),
    pools: [...node.pools.values()].map((pool) => ({
      poolId: pool.poolId,
      ready: online && pool.ready,
      draining: pool.draining,
      slotsFree: pool.slotsFree,
      slotsTotal: pool.slotsTotal,
      slotsLeased: pool.slots.promised,
      vramFreeBytes: pool.vramFreeBytes,
      engine: pool.engine,
      models: online ? pool.models.names : [],
    })),
    incoming: online
      ? [...node.incoming.values()].map((model) => ({
          id: model.id,
          digest: model.digest ?? undefined,
          bytesTotal: model.bytes_total,
          bytesMissing: model.bytes_missing,
          etaMs: model.eta_ms ?? undefined,
          bytesPerSecond: model.bytesPerSecond,
        }))
      : [],
  };
}
