import { ShoalError } from '../util/errors.ts';
import type { Heartbeat, Incoming } from './documents.ts';
import { LIMITS } from './limits.ts';
import { ModelList } from './model-list.ts';
import { textBytes } from './retained-bytes.ts';

export interface IncomingModel extends Incoming {
  /** Measured from one heartbeat to the next. */
  readonly bytesPerSecond: number | undefined;
}

/** What the newest heartbeat of a node says of models. */
export interface NodeContents {
  readonly own: ModelList;
  /** The node's own and those that only pools report. */
  readonly all: ModelList;
  readonly pools: ReadonlyMap<string, ModelList>;
  readonly incoming: ReadonlyMap<string, IncomingModel>;
  /** Digests of what is available, as far as they are known. */
  readonly digests: ReadonlyMap<string, string>;
  /** That so much came since the heartbeat before. */
  readonly movedBytes: number;
}

export const nothing: NodeContents = {
  own: ModelList.empty,
  all: ModelList.empty,
  pools: new Map(),
  incoming: new Map(),
  digests: new Map(),
  movedBytes: 0,
};

/** Shorter than this no rate is measured. */
const SPAN_MIN_MS = 100;

/**
 * Reads a heartbeat; whatever it says as the one before is the same object.
 * @throws ShoalError `invalid` when all pools together have too many names
 */
export function readContents(heartbeat: Heartbeat, before: NodeContents, elapsedMs: number): NodeContents {
  const own = ModelList.from(heartbeat.models_available ?? [], before.own);
  const pools = new Map<string, ModelList>();
  let last = own;
  for (const { pool_id: id, models_available: said } of heartbeat.pools) {
    // Most pools offer what the node offers, or what the pool before them does.
    last = listOf(said ?? undefined, [own, last, before.pools.get(id) ?? ModelList.empty]);
    pools.set(id, last);
  }
  const all = allOf([own, ...pools.values()], before.all);
  const incoming = incomingOf(heartbeat.models_incoming ?? [], before, elapsedMs);
  const digests = digestsOf(heartbeat.model_digests ?? {}, all, before);
  return { own, all, pools, digests, ...incoming };
}

/** Its share of what the orchestrator holds in memory. */
export function contentsBytes({ own, all, pools, incoming, digests }: NodeContents): number {
  let bytes = digests.size * DIGEST_BYTES + pools.size * POOL_BYTES;
  for (const list of new Set([own, all, ...pools.values()])) bytes += listBytes(list);
  for (const id of incoming.keys()) bytes += INCOMING_BYTES + textBytes(id);
  return bytes;
}

/** A string, its place in the array, in the set and in the JSON text. */
const NAME_BYTES = 72;
const DIGEST_BYTES = 160;
const POOL_BYTES = 512;
const INCOMING_BYTES = 320;
const measured = new WeakMap<ModelList, number>();

function listBytes(list: ModelList): number {
  let bytes = measured.get(list);
  if (bytes === undefined) {
    bytes = list.names.reduce((sum, name) => sum + NAME_BYTES + 2 * textBytes(name), 0);
    measured.set(list, bytes);
  }
  return bytes;
}

function listOf(said: readonly string[] | undefined, known: readonly [ModelList, ModelList, ModelList]): ModelList {
  const [own, last, before] = known;
  if (said === undefined) return own;
  for (const list of [own, last]) if (ModelList.from(said, list) === list) return list;
  return ModelList.from(said, before);
}

function allOf(given: Iterable<ModelList>, before: ModelList): ModelList {
  const lists = [...new Set(given)].filter((list) => list !== ModelList.empty);
  const [first = ModelList.empty, second] = lists;
  if (second === undefined) return ModelList.from(first.names, before) === before ? before : first;
  const names = new Set<string>();
  for (const list of lists) {
    for (const name of list.names) names.add(name);
    if (names.size <= LIMITS.modelsPerNode) continue;
    throw new ShoalError('invalid', `models_available of all pools has more than ${LIMITS.modelsPerNode} names`, {
      remedy: 'Report only what the node really has.',
      fields: { field: 'models_available' },
    });
  }
  return ModelList.from([...names].sort(), before);
}

/** A model that has arrived has the digest with which it was announced: the node has verified it. */
function digestsOf(
  said: Readonly<Record<string, string>>,
  all: ModelList,
  before: NodeContents,
): ReadonlyMap<string, string> {
  const digests = new Map<string, string>();
  const hasSaid = Object.keys(said).length > 0;
  // Nodes of other kinds tell none: twenty thousand names need not be looked up for that.
  if (!hasSaid && before.digests.size === 0 && before.incoming.size === 0) return digests;
  for (const name of all.names) {
    const digest =
      hasSaid && Object.hasOwn(said, name)
        ? said[name]
        : (before.digests.get(name) ?? before.incoming.get(name)?.digest ?? undefined);
    if (digest !== undefined) digests.set(name, digest);
  }
  return digests;
}

function incomingOf(
  said: readonly Incoming[],
  before: NodeContents,
  elapsedMs: number,
): Pick<NodeContents, 'incoming' | 'movedBytes'> {
  const incoming = new Map<string, IncomingModel>();
  let movedBytes = 0;
  for (const { id, digest, eta_ms, ...bytesOf } of said) {
    // Some senders write the largest number they have for what they do not know: sums of those are none.
    const bytes_total = Math.min(bytesOf.bytes_total, Number.MAX_SAFE_INTEGER);
    const bytes_missing = Math.min(bytesOf.bytes_missing, Number.MAX_SAFE_INTEGER);
    const known = before.incoming.get(id);
    const bytes = known === undefined ? 0 : Math.max(0, known.bytes_missing - bytes_missing);
    movedBytes += bytes;
    const rate = elapsedMs < SPAN_MIN_MS || known === undefined ? known?.bytesPerSecond : (bytes * 1000) / elapsedMs;
    const bytesPerSecond = smoothed(known?.bytesPerSecond, rate);
    incoming.set(id, {
      id,
      digest: digest ?? null,
      bytes_total,
      bytes_missing,
      eta_ms: eta_ms ?? null,
      bytesPerSecond,
    });
  }
  return { incoming, movedBytes: elapsedMs < SPAN_MIN_MS ? 0 : movedBytes };
}

/** Half of the new, half of what was. */
export function smoothed(before: number | undefined, now: number | undefined): number | undefined {
  if (before === undefined || now === undefined) return now ?? before;
  return (before + now) / 2;
}
