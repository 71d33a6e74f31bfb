import type { Replication } from './availability.ts';
import type { FleetNode } from './fleet-node.ts';
import { gather } from './gather.ts';
import { ModelList } from './model-list.ts';
import type { NodeRegistry } from './node-registry.ts';

export interface AvailabilityPage {
  /** The first node's id is greater than this one. */
  readonly cursor?: string;
  readonly limit?: number;
}

/**
 * The document of `/v2/catalog/availability` in pieces. The lists of models are encoded once for as long as they stay the
 * same, so that a large fleet costs little more than copying.
 */
export class AvailabilityStream {
  readonly #registry: NodeRegistry;
  #sortedIds: readonly string[] = [];
  #idsVersion = 0;
  #summary: { readonly version: number; readonly replication: Replication; readonly json: string } | undefined;

  constructor(parts: { registry: NodeRegistry }) {
    this.#registry = parts.registry;
  }

  get version(): number {
    return this.#registry.version;
  }

  get replication(): Replication {
    return this.#summaryNow().replication;
  }

  /** `lend` gives the memory for each chunk. */
  chunks(page: AvailabilityPage, lend: () => Buffer): Generator<Buffer> {
    return gather(this.#parts(page), lend);
  }

  *#parts(page: AvailabilityPage): Generator<string | Buffer> {
    // Taken before the first piece, so that the totals are those of the version that the caller was told.
    const { json: summary } = this.#summaryNow();
    const { ids, next } = this.#page(page);
    let separator = '{"nodes":{';
    for (const id of ids) {
      const node = this.#registry.find(id);
      if (node === undefined) continue; // deleted while this was read
      yield `${separator}${JSON.stringify(id)}:`;
      yield* nodeParts(node);
      separator = ',';
    }
    const cursor = next === undefined ? '' : `,"next_cursor":${JSON.stringify(next)}`;
    yield `${separator === ',' ? '' : separator}},${summary}${cursor}}`;
  }

  #summaryNow(): { readonly replication: Replication; readonly json: string } {
    const version = this.#registry.version;
    if (this.#summary?.version !== version) {
      const replication = this.#registry.index.replication(this.#registry.onlineNodes);
      this.#summary = { version, replication, json: JSON.stringify(replication).slice(1, -1) };
    }
    return this.#summary;
  }

  #page({ cursor, limit }: AvailabilityPage): { ids: readonly string[]; next: string | undefined } {
    const version = this.#registry.version;
    if (this.#idsVersion !== version) {
      this.#sortedIds = [...this.#registry.nodes()].map((node) => node.id).sort();
      this.#idsVersion = version;
    }
    const ids = this.#sortedIds;
    let start = cursor === undefined ? 0 : ids.findIndex((id) => id > cursor);
    if (start === -1) start = ids.length;
    const end = limit === undefined ? ids.length : Math.min(ids.length, start + limit);
    return { ids: ids.slice(start, end), next: end < ids.length ? ids[end - 1] : undefined };
  }
}

function* nodeParts(node: FleetNode): Generator<string | Buffer> {
  const { online, id, address } = node;
  yield `{"node_id":${JSON.stringify(id)},"address":${JSON.stringify(address)},"online":${online},"models":`;
  yield (online ? node.models : ModelList.empty).json();
  let separator = ',"pools":[';
  for (const pool of node.pools.values()) {
    yield `${separator}{"pool_id":${JSON.stringify(pool.poolId)},"ready":${online && pool.ready},"models":`;
    yield (online ? pool.models : ModelList.empty).json();
    separator = '},';
  }
  yield node.pools.size === 0 ? ',"pools":[]}' : '}]}';
}
