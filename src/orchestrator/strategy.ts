import type { Random } from '../util/random.ts';

/** What is known of a pool when a task is to be placed; the registry's own objects fit. */
export interface PoolFacts {
  readonly poolId: string;
  readonly node: {
    readonly id: string;
    readonly address: string;
    readonly online: boolean;
    /** Set by the operator for the whole node. */
    readonly record: { readonly draining: boolean };
    readonly digests: ReadonlyMap<string, string>;
  };
  readonly ready: boolean;
  readonly draining: boolean;
  /** As the pool says. */
  readonly slotsFree: number;
  readonly slotsTotal: number;
  /** Less what leases have been promised. */
  readonly freeSlots: number;
  readonly vramFreeBytes: number;
  readonly priority: number;
  readonly models: { has(name: string): boolean };
  /** Grows with each placement on it. */
  readonly lastPlaced: number;
  /** What a task takes here, if callers have said it. */
  readonly taskMs: number | undefined;
}

export interface Chance {
  readonly random: Random;
  /** What a task takes where nobody has measured it. */
  readonly usualTaskMs: number;
}

/**
 * The lowest of each figure over those pools of a node that take tasks; Infinity where there are none. It may be lower than
 * what holds now (figures grow when a slot is taken), and never higher.
 */
export interface LowestFacts {
  readonly load: number;
  readonly priority: number;
  readonly lastPlaced: number;
  readonly taskMs: number;
}

/** Orders pools that could all take the task. Equal scores go to the pool that was used longest ago. */
export interface Strategy {
  /** The lowest is the best. */
  score(pool: PoolFacts, chance: Chance): number;
  /** No pool of the node scores lower than this; without it each pool is looked at. */
  lowestScore?(lowest: LowestFacts, chance: Chance): number;
  /** Why this pool stands where it stands, for people. */
  reason(pool: PoolFacts, chance: Chance): string;
}

export function lowestOf(pools: Iterable<PoolFacts>): LowestFacts {
  const lowest = { load: Infinity, priority: Infinity, lastPlaced: Infinity, taskMs: Infinity };
  for (const pool of pools) {
    if (!pool.ready || pool.draining || pool.freeSlots === 0) continue;
    lowest.load = Math.min(lowest.load, loadOf(pool));
    lowest.priority = Math.min(lowest.priority, pool.priority);
    lowest.lastPlaced = Math.min(lowest.lastPlaced, pool.lastPlaced);
    lowest.taskMs = Math.min(lowest.taskMs, pool.taskMs ?? Infinity);
  }
  return lowest;
}

/** The share of its slots that are taken, by its own work or by leases. */
export function loadOf(pool: PoolFacts): number {
  return pool.slotsTotal === 0 ? 1 : 1 - pool.freeSlots / pool.slotsTotal;
}

export function sayLoad(pool: PoolFacts): string {
  return `${pool.freeSlots} of ${pool.slotsTotal} slots free`;
}
