import { ShoalError } from '../util/errors.ts';
import { type Replication, replicationOf } from './availability.ts';
import type { FleetNode } from './fleet-node.ts';
import { LIMITS } from './limits.ts';
import { ModelList } from './model-list.ts';

/** What all lists together may hold: about 400 MB. */
const MAX_ENTRIES = 4_000_000;

/** Which nodes that are online have a model; heartbeats keep it. */
export class ModelIndex {
  readonly #nodes = new Map<string, Set<FleetNode>>();
  #entries = 0;

  nodesWith(model: string): ReadonlySet<FleetNode> | undefined {
    return this.#nodes.get(model);
  }

  /** Every known name. */
  names(): IterableIterator<string> {
    return this.#nodes.keys();
  }

  get size(): number {
    return this.#nodes.size;
  }

  /** @throws ShoalError `source-busy` when the fleet's lists would grow beyond all bounds */
  assertRoomFor(before: ModelList, names: readonly string[]): void {
    const full = this.#entries - before.names.length + names.length > MAX_ENTRIES;
    if (!full && this.#nodes.size + names.length <= LIMITS.names) return;
    let fresh = 0;
    for (const name of names) if (!this.#nodes.has(name)) fresh += 1;
    if (!full && this.#nodes.size + fresh <= LIMITS.names) return;
    throw new ShoalError('source-busy', `the fleet has ${this.#nodes.size} names of models: no more are taken`, {
      remedy: 'Delete nodes that report names by mistake, or run an orchestrator for each part of the fleet.',
    });
  }

  replace(node: FleetNode, before: ModelList, after: ModelList): void {
    if (before === after) return;
    for (const name of before.names) if (!after.has(name)) this.#remove(name, node);
    for (const name of after.names) if (!before.has(name)) this.#add(name, node);
    this.#entries += after.names.length - before.names.length;
  }

  remove(node: FleetNode): void {
    this.replace(node, node.models, ModelList.empty);
  }

  replication(onlineNodes: number): Replication {
    const counts = [...this.#nodes].map(([name, nodes]) => [name, nodes.size] as const);
    return replicationOf(counts, onlineNodes);
  }

  #add(name: string, node: FleetNode): void {
    const nodes = this.#nodes.get(name);
    if (nodes === undefined) this.#nodes.set(name, new Set([node]));
    else nodes.add(node);
  }

  #remove(name: string, node: FleetNode): void {
    const nodes = this.#nodes.get(name);
    if (nodes?.delete(node) === true && nodes.size === 0) this.#nodes.delete(name);
  }
}
