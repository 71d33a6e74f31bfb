import type { Replication } from './availability.ts';
import type { FleetNode } from './fleet-node.ts';
import type { NodeRegistry } from './node-registry.ts';

/** Written at a time: large enough to be cheap, small enough that other requests get their turn. */
const CHUNK_LENGTH = 64 * 1024;

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

  *chunks(page: AvailabilityPage = {}): Generator<string> {
    // Taken before the first piece, so that the totals are those of the version that the caller was told.
    const { json: summary } = this.#summaryNow();
    const { ids, next } = this.#page(page);
    let chunk = '{"nodes":{';
    let isFirst = true;
    for (const id of ids) {
      const node = this.#registry.find(id);
      if (node === undefined) continue; // deleted while this was read
      chunk += `${isFirst ? '' : ','}${JSON.stringify(id)}:`;
      isFirst = false;
      for (const part of nodeParts(node)) {
        chunk += part;
        if (chunk.length < CHUNK_LENGTH) continue;
        yield chunk;
        chunk = '';
      }
    }
    yield `${chunk}},${summary}${next === undefined ? '' : `,"next_cursor":${JSON.stringify(next)}`}}`;
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

function* nodeParts(node: FleetNode): Generator<string> {
  const { online } = node;
  const models = online ? node.models.json() : '[]';
  yield `{"node_id":${JSON.stringify(node.id)},"address":${JSON.stringify(node.address)},"online":${online},"models":`;
  yield models;
  yield ',"pools":[';
  let separator = '';
  for (const pool of node.pools.values()) {
    yield `${separator}{"pool_id":${JSON.stringify(pool.poolId)},"ready":${online && pool.ready},"models":`;
    yield online ? pool.models.json() : '[]';
    yield '}';
    separator = ',';
  }
  yield ']}';
}
