import type { AvailabilityDocument, NodeAvailability, PoolAvailability } from './availability-documents.ts';

/** What is known of a node when it is asked which models are where. */
export interface AvailabilityInput {
  readonly nodeId: string;
  /** `http://host:port` */
  readonly address: string;
  readonly online: boolean;
  /** Ids and aliases that the node itself reports; what only its pools report is added. */
  readonly models: Iterable<string>;
  readonly pools: Iterable<{ readonly poolId: string; readonly ready: boolean; readonly models: Iterable<string> }>;
}

/** How often each model occurs, by nodes that are online. */
export interface Replication {
  readonly total_models: number;
  /** On every node that is online, and on more than one. */
  readonly replicated_models: readonly string[];
  /** On one node: when it goes, so does the model. */
  readonly single_node_models: readonly string[];
}

/** Everything is sorted, so that equal fleets give equal documents. */
export function availabilityOf(nodes: Iterable<AvailabilityInput>): AvailabilityDocument {
  const documents = new Map<string, NodeAvailability>();
  const counts = new Map<string, number>();
  let onlineNodes = 0;
  for (const input of nodes) {
    const node = nodeAvailability(input);
    documents.set(node.node_id, node);
    if (!node.online) continue;
    onlineNodes += 1;
    for (const model of node.models) counts.set(model, (counts.get(model) ?? 0) + 1);
  }
  const sorted = [...documents].sort(([a], [b]) => compareText(a, b));
  // fromEntries defines own members: a node called `__proto__` is a node like any other.
  return { nodes: Object.fromEntries(sorted), ...replicationOf(counts, onlineNodes) };
}

/** A node that is offline offers nothing, whatever it said last. */
export function nodeAvailability(input: AvailabilityInput): NodeAvailability {
  const { nodeId, address, online } = input;
  const models = new Set<string>(online ? input.models : []);
  const pools: PoolAvailability[] = [];
  for (const pool of input.pools) {
    const offered = online ? [...new Set(pool.models)].sort(compareText) : [];
    for (const model of offered) models.add(model);
    pools.push({ pool_id: pool.poolId, ready: online && pool.ready, models: offered });
  }
  return { node_id: nodeId, address, online, models: [...models].sort(compareText), pools };
}

/** Counts nodes and never pools: two pools on one machine are one point of failure. */
export function replicationOf(nodesByModel: Iterable<readonly [string, number]>, onlineNodes: number): Replication {
  const replicated: string[] = [];
  const single: string[] = [];
  let total = 0;
  for (const [model, count] of nodesByModel) {
    if (count === 0) continue;
    total += 1;
    if (count === 1) single.push(model);
    else if (count === onlineNodes) replicated.push(model);
  }
  return {
    total_models: total,
    replicated_models: replicated.sort(compareText),
    single_node_models: single.sort(compareText),
  };
}

/** By code units, which is the same order on every machine. */
function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
