import { fastestCompletion } from './strategies/fastest-completion.ts';
import { leastLoaded } from './strategies/least-loaded.ts';
import { priority } from './strategies/priority.ts';
import { random } from './strategies/random.ts';
import { roundRobin } from './strategies/round-robin.ts';
import type { Chance, LowestFacts, PoolFacts, Strategy } from './strategy.ts';

export const strategies = {
  'round-robin': roundRobin,
  'least-loaded': leastLoaded,
  priority,
  'fastest-completion': fastestCompletion,
  random,
} as const satisfies Readonly<Record<string, Strategy>>;

export type StrategyName = keyof typeof strategies;

export interface Demand {
  /** All of them must be there; none means that any pool will do. */
  readonly models: readonly string[];
  /** The first model must have this content. */
  readonly digest?: string | undefined;
  /** A digest that a model is registered with: a node that is known to have another content is no candidate. */
  readonly registered?: ReadonlyMap<string, string>;
  /** Ids of nodes, or `node/pool`. */
  readonly exclude: ReadonlySet<string>;
  /** Retired models, their deadlines over, that this task asks for by id or by a name that follows from the id. */
  readonly retired: readonly string[];
}

/** Why a pool does not get the task, the most final first. */
export const refusals = [
  'retired',
  'offline',
  'excluded',
  'draining',
  'model-missing',
  'digest-differs',
  'digest-unknown',
  'not-ready',
  'no-free-slot',
  'leased',
] as const;

export type Refusal = (typeof refusals)[number];

/** Undefined when the pool can take the task now. */
export function refusalOf(pool: PoolFacts, demand: Demand): Refusal | undefined {
  const { node } = pool;
  for (const id of demand.retired) if (demand.models.includes(id) || pool.models.has(id)) return 'retired';
  if (!node.online) return 'offline';
  if (demand.exclude.size > 0 && isExcluded(pool, demand.exclude)) return 'excluded';
  if (pool.draining || node.record.draining) return 'draining';
  for (const model of demand.models) if (!pool.models.has(model)) return 'model-missing';
  const digest = digestRefusal(pool, demand);
  if (digest !== undefined) return digest;
  if (!pool.ready) return 'not-ready';
  if (pool.slotsFree === 0) return 'no-free-slot';
  return pool.freeSlots === 0 ? 'leased' : undefined;
}

function isExcluded({ node, poolId }: PoolFacts, exclude: ReadonlySet<string>): boolean {
  return exclude.has(node.id) || exclude.has(`${node.id}/${poolId}`);
}

function digestRefusal({ node }: PoolFacts, { models, digest, registered }: Demand): Refusal | undefined {
  const [first] = models;
  if (digest !== undefined && first !== undefined) {
    const known = node.digests.get(first);
    if (known === undefined) return 'digest-unknown';
    if (known !== digest) return 'digest-differs';
  }
  for (const [model, wanted] of registered ?? []) {
    const known = node.digests.get(model);
    if (known !== undefined && known !== wanted) return 'digest-differs';
  }
  return undefined;
}

export interface NodeFacts<P> {
  readonly pools: ReadonlyMap<string, P>;
  readonly lowest: LowestFacts;
}

/** The best `count` pools that can take the task, best first. */
export function choose<P extends PoolFacts>(
  nodes: Iterable<NodeFacts<P>>,
  demand: Demand,
  { strategy, count, chance }: { readonly strategy: Strategy; readonly count: number; readonly chance: Chance },
): P[] {
  const best: Scored<P>[] = [];
  for (const node of nodes) {
    // A popular model is on thousands of pools: most nodes have none that is better than what has been found.
    const limit = best[count - 1];
    if (limit !== undefined && strategy.lowestScore !== undefined) {
      if (!isBefore(node.lowest, strategy.lowestScore(node.lowest, chance), limit)) continue;
    }
    for (const pool of node.pools.values()) {
      const score = strategy.score(pool, chance);
      const last = best[count - 1];
      if (last !== undefined && !isBefore(pool, score, last)) continue;
      if (refusalOf(pool, demand) !== undefined) continue;
      let at = best.length;
      for (let other = best[at - 1]; other !== undefined && isBefore(pool, score, other); other = best[at - 1]) at -= 1;
      best.splice(at, 0, { pool, score });
      if (best.length > count) best.pop();
    }
  }
  return best.map(({ pool }) => pool);
}

interface Scored<P> {
  readonly pool: P;
  readonly score: number;
}

function isBefore(
  { lastPlaced }: { readonly lastPlaced: number },
  score: number,
  other: Scored<{ readonly lastPlaced: number }>,
): boolean {
  return score < other.score || (score === other.score && lastPlaced < other.pool.lastPlaced);
}
