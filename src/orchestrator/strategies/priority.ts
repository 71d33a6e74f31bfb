import { loadOf, type Strategy, sayLoad } from '../strategy.ts';

/** As the operator ranks the pools, the lowest number first; among equals the least loaded. */
export const priority: Strategy = {
  // A load is at most 1, so that it never outweighs a rank.
  score: (pool) => pool.priority * 2 + loadOf(pool),
  lowestScore: (lowest) => lowest.priority * 2 + lowest.load,
  reason: (pool) => `priority ${pool.priority}, ${sayLoad(pool)}`,
};
