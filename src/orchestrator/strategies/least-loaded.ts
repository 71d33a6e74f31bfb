import { loadOf, type Strategy, sayLoad } from '../strategy.ts';

/** The pool with the smallest share of its slots taken. */
export const leastLoaded: Strategy = {
  score: loadOf,
  lowestScore: ({ load }) => load,
  reason: (pool) => `the least loaded, ${sayLoad(pool)}`,
};
