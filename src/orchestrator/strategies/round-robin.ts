import { type Strategy, sayLoad } from '../strategy.ts';

/** Every pool in turn, however busy: whoever was used longest ago. */
export const roundRobin: Strategy = {
  score: (pool) => pool.lastPlaced,
  lowestScore: ({ lastPlaced }) => lastPlaced,
  reason: (pool) => `its turn, ${sayLoad(pool)}`,
};
