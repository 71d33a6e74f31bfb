import type {
  CatalogModelDocument,
  LeaseDocument,
  NodeDocument,
  NoPlacementDocument,
  PlacementDocument,
} from '../../orchestrator/api-documents.ts';
import type { FleetNode } from '../../orchestrator/fleet-node.ts';
import type { Lease } from '../../orchestrator/lease-book.ts';
import type { CatalogModel } from '../../orchestrator/model-catalog.ts';
import type { NoPlacement, Placement } from '../../orchestrator/orchestrator.ts';
import type { Prospect } from '../../orchestrator/soonest.ts';

/** What the parts know, as the documents say it. */

export function presentNode(node: FleetNode): NodeDocument {
  return {
    ...node.record.registration,
    status: node.status,
    registered_at_ms: node.record.registeredAtMs,
    ...(node.lastHeartbeatAtMs === undefined ? {} : { last_heartbeat_ms: node.lastHeartbeatAtMs }),
    operator_draining: node.record.draining,
    ...(node.disk === undefined
      ? {}
      : { disk: { free_bytes: node.disk.freeBytes, total_bytes: node.disk.totalBytes } }),
  };
}

export function presentPlacement(
  { candidates, lease }: Placement,
  facts: { strategy: string; waitedMs: number },
): PlacementDocument {
  return {
    candidates: candidates.map(({ pool, reason }) => ({
      node_id: pool.node.id,
      pool_id: pool.poolId,
      address: pool.node.address,
      ...(pool.engine === undefined ? {} : { engine: pool.engine }),
      slots_free: pool.freeSlots,
      slots_total: pool.slotsTotal,
      vram_free_bytes: pool.vramFreeBytes,
      priority: pool.priority,
      reason,
    })),
    strategy: facts.strategy,
    waited_ms: Math.round(facts.waitedMs),
    ...(lease === undefined ? {} : { lease: presentLease(lease) }),
  };
}

export function presentNoPlacement({ refused, counts, prospects }: NoPlacement): NoPlacementDocument {
  const couldRun = prospects.map(presentProspect);
  return {
    soonest: couldRun[0] ?? null,
    could_run: couldRun,
    refused_counts: { ...counts },
    refused: refused.map(({ pool, reason }) => ({ node_id: pool.node.id, pool_id: pool.poolId, reason })),
  };
}

function presentProspect({ pool, inMs, because }: Prospect): NoPlacementDocument['could_run'][number] {
  return { node_id: pool.node.id, pool_id: pool.poolId, address: pool.node.address, in_ms: inMs, because };
}

export function presentLease({ id, pool, grantedAtMs, durationMs }: Lease): LeaseDocument {
  return {
    lease_id: id,
    node_id: pool.node.id,
    pool_id: pool.poolId,
    address: pool.node.address,
    granted_at_ms: grantedAtMs,
    expires_at_ms: grantedAtMs + durationMs,
  };
}

export function presentModel(model: CatalogModel, nodes: Iterable<FleetNode>): CatalogModelDocument {
  return {
    id: model.id,
    digest: model.digest,
    ...(model.sourceUrl === undefined ? {} : { source_url: model.sourceUrl }),
    ...(model.sizeBytes === undefined ? {} : { size_bytes: model.sizeBytes }),
    state: model.lifecycle,
    ...(model.deadlineAtMs === undefined ? {} : { deadline_ms: model.deadlineAtMs }),
    registered_at_ms: model.registeredAtMs,
    last_verified_ms: model.lastVerifiedMs ?? null,
    nodes: [...nodes].map((node) => node.id).sort(),
  };
}
