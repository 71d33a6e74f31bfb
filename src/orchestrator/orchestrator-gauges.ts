import type { Metrics } from '../util/metrics.ts';
import type { NodeStatus } from './fleet-node.ts';
import type { Orchestrator } from './orchestrator.ts';

/** What is looked up when somebody asks, rather than counted. */
export function orchestratorGauges(metrics: Metrics, { registry, leases, queue, catalog }: Orchestrator): void {
  const nodes = metrics.gauge('shoal_orchestrator_nodes', 'Registered nodes, by status', ['status']);
  const slots = metrics.gauge('shoal_orchestrator_slots', 'Slots of pools that are online, by use', ['use']);
  const models = metrics.gauge('shoal_orchestrator_models', 'Names that nodes report, and registered models', ['kind']);
  const held = metrics.gauge('shoal_orchestrator_leases', 'Leases that are held');
  const waiting = metrics.gauge('shoal_orchestrator_waiting', 'Tasks that wait for a place');
  metrics.onCollect(() => {
    const byStatus: Record<NodeStatus, number> = { Registering: 0, Online: 0, Draining: 0, Offline: 0, Failed: 0 };
    const use = { free: 0, leased: 0, busy: 0 };
    for (const node of registry.nodes()) {
      byStatus[node.status] += 1;
      if (!node.online) continue;
      for (const pool of node.pools.values()) {
        use.free += pool.freeSlots;
        use.leased += pool.slotsFree - pool.freeSlots;
        use.busy += pool.slotsTotal - pool.slotsFree;
      }
    }
    for (const [status, count] of Object.entries(byStatus)) nodes.set({ status }, count);
    for (const [kind, count] of Object.entries(use)) slots.set({ use: kind }, count);
    models.set({ kind: 'reported' }, registry.index.size);
    models.set({ kind: 'registered' }, catalog.size);
    held.set(leases.size);
    waiting.set(queue.size);
  });
}
