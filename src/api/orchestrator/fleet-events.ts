import type { FleetViewer } from '../../flows/fleet-view.ts';
import type { Orchestrator } from '../../orchestrator/orchestrator.ts';
import type { Metrics } from '../../util/metrics.ts';
import type { EventSource } from '../event-streams.ts';

/** However many nodes report: who watches hears of progress once in this time. */
const TELL_PERIOD_MS = 1_000;

/**
 * Tells subscribers which node has changed, `{event: "node", data: {node_id, status, reason}}` with `status` null for gone,
 * and with `{event: "fleet", data: {revision}}` that there is something to read: what is on its way has come further.
 */
export function fleetEvents(
  { registry }: Orchestrator,
  { fleet, metrics }: { readonly fleet: FleetViewer; readonly metrics: Metrics },
): EventSource {
  return {
    metrics,
    subscribe(listener) {
      const tell = ({ nodeId, status, reason }: { nodeId: string; status: string | undefined; reason: string }): void =>
        listener({ event: 'node', data: { node_id: nodeId, status: status ?? null, reason } });
      registry.on('node', tell);
      let last = fleet.revision();
      const timer = setInterval(() => {
        const revision = fleet.revision();
        const isNews = revision !== last || [...registry.nodes()].some((node) => node.online && node.incoming.size > 0);
        last = revision;
        if (isNews) listener({ event: 'fleet', data: { revision } });
      }, TELL_PERIOD_MS).unref();
      return () => {
        registry.off('node', tell);
        clearInterval(timer);
      };
    },
  };
}
