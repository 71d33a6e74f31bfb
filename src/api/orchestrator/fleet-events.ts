import type { Orchestrator } from '../../orchestrator/orchestrator.ts';
import type { Metrics } from '../../util/metrics.ts';
import type { EventSource } from '../event-streams.ts';

/** Tells subscribers which node has changed: `{event: "node", data: {node_id, status, reason}}`; `status` null: gone. */
export function fleetEvents({ registry }: Orchestrator, metrics: Metrics): EventSource {
  return {
    metrics,
    subscribe(listener) {
      const tell = ({ nodeId, status, reason }: { nodeId: string; status: string | undefined; reason: string }): void =>
        listener({ event: 'node', data: { node_id: nodeId, status: status ?? null, reason } });
      registry.on('node', tell);
      return () => registry.off('node', tell);
    },
  };
}
