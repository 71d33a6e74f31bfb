import { aliasesOf } from '../content/model-rules.ts';
import type { FleetNode, FleetPool } from './fleet-node.ts';
import type { IncomingModel } from './node-contents.ts';
import type { Demand, Refusal } from './placement.ts';

/** Where a task that found no place could run, and when at the earliest. */
export interface Prospect {
  readonly pool: FleetPool;
  readonly inMs: number;
  /** `incoming`: its models are on their way; `fetch`: if they were fetched now; `slot`: when a task or a lease ends. */
  readonly because: 'incoming' | 'fetch' | 'slot';
}

export interface SoonestFacts {
  readonly nowMs: number;
  /** Bytes of a model, if anybody has said it. */
  readonly sizeOf: (model: string) => number | undefined;
  /** When the next lease of a pool ends. */
  readonly leaseEndMs: (pool: FleetPool) => number | undefined;
  /** What nodes have fetched with, for those that have fetched nothing yet. */
  readonly usualBytesPerSecond: number | undefined;
}

/** The soonest first; pools of which nothing can be said are left out. */
export function prospects(
  refused: Iterable<{ readonly pool: FleetPool; readonly reason: Refusal }>,
  demand: Demand,
  facts: SoonestFacts & { readonly count: number },
): Prospect[] {
  const found: Prospect[] = [];
  const byNode = new Map<FleetNode, Arrival | undefined>();
  for (const one of refused) {
    const prospect = prospectOf(one, demand, facts, byNode);
    if (prospect === undefined) continue;
    const last = found.at(-1);
    if (found.length === facts.count && last !== undefined && last.inMs <= prospect.inMs) continue;
    found.push(prospect);
    found.sort((a, b) => a.inMs - b.inMs);
    if (found.length > facts.count) found.pop();
  }
  return found;
}

function prospectOf(
  { pool, reason }: { readonly pool: FleetPool; readonly reason: Refusal },
  demand: Demand,
  facts: SoonestFacts,
  byNode: Map<FleetNode, Arrival | undefined>,
): Prospect | undefined {
  switch (reason) {
    case 'model-missing':
      break;
    case 'no-free-slot':
    case 'leased': {
      const inMs = slotMs(pool, facts);
      return inMs === undefined ? undefined : { pool, inMs, because: 'slot' };
    }
    case 'retired':
    case 'offline':
    case 'excluded':
    case 'draining':
    case 'digest-differs':
    case 'digest-unknown':
    case 'not-ready':
      return undefined;
  }
  const waitMs = pool.freeSlots > 0 ? 0 : slotMs(pool, facts);
  if (!pool.ready || waitMs === undefined) return undefined;
  if (!byNode.has(pool.node)) byNode.set(pool.node, arrivalOf(pool.node, demand, facts));
  const arrival = byNode.get(pool.node);
  if (arrival === undefined) return undefined;
  return { pool, inMs: Math.max(arrival.inMs, waitMs), because: arrival.because };
}

interface Arrival {
  readonly inMs: number;
  readonly because: 'incoming' | 'fetch';
}

/** When the last of the missing models would be there. What is fetched at once shares the link, so the times add up. */
function arrivalOf(node: FleetNode, demand: Demand, facts: SoonestFacts): Arrival | undefined {
  let incomingMs = 0;
  let bytesToFetch = 0;
  let toFetch = 0;
  for (const model of demand.models) {
    if (node.models.has(model)) continue;
    const incoming = incomingOf(node, model);
    if (incoming !== undefined && !isWanted(incoming, model, demand)) return undefined;
    if (incoming === undefined) {
      const bytes = facts.sizeOf(model);
      if (bytes === undefined) return undefined;
      bytesToFetch += bytes;
      toFetch += 1;
      continue;
    }
    const eta = incoming.eta_ms ?? millisecondsFor(incoming.bytes_missing, incoming.bytesPerSecond);
    if (eta === undefined) bytesToFetch += incoming.bytes_missing;
    else incomingMs = Math.max(incomingMs, eta - (facts.nowMs - node.heardMs), 0);
  }
  if (bytesToFetch === 0) return { inMs: Math.round(incomingMs), because: toFetch === 0 ? 'incoming' : 'fetch' };
  const fetchMs = millisecondsFor(bytesToFetch, node.bytesPerSecond ?? facts.usualBytesPerSecond);
  if (fetchMs === undefined) return undefined;
  return { inMs: Math.round(incomingMs + fetchMs), because: toFetch === 0 ? 'incoming' : 'fetch' };
}

/** As placement judges it once it is there: a digest that the caller names must be known, a registered one not contradicted. */
function isWanted({ digest }: IncomingModel, model: string, demand: Demand): boolean {
  if (demand.digest !== undefined && digest !== demand.digest) return false;
  const registered = demand.registered?.get(model);
  return registered === undefined || digest === null || digest === registered;
}

/** By id or by a name that follows from the id. */
function incomingOf(node: FleetNode, model: string): IncomingModel | undefined {
  const direct = node.incoming.get(model);
  if (direct !== undefined) return direct;
  for (const incoming of node.incoming.values()) {
    // A name that follows from an id is a part of it: of thousands hardly any is looked at more closely.
    if (incoming.id.includes(model) && aliasesOf(incoming.id).includes(model)) return incoming;
  }
  return undefined;
}

function millisecondsFor(bytes: number, bytesPerSecond: number | undefined): number | undefined {
  if (bytes === 0) return 0;
  return bytesPerSecond === undefined || bytesPerSecond <= 0 ? undefined : (bytes * 1000) / bytesPerSecond;
}

/** A lease ends for certain; the work of others about as often as tasks take time there. */
function slotMs(pool: FleetPool, { nowMs, leaseEndMs }: SoonestFacts): number | undefined {
  const busy = pool.slotsTotal - pool.slotsFree;
  const taskMs = pool.taskMs === undefined || busy === 0 ? undefined : pool.taskMs / busy;
  const endMs = leaseEndMs(pool);
  const leaseMs = endMs === undefined ? undefined : Math.max(0, endMs - nowMs);
  if (taskMs === undefined && leaseMs === undefined) return undefined;
  return Math.round(Math.min(taskMs ?? Infinity, leaseMs ?? Infinity));
}
