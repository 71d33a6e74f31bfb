import { type Chance, loadOf, type PoolFacts, type Strategy, sayLoad } from '../strategy.ts';

/**
 * Where the task would be done first: what tasks have taken there, longer the more of them share its hardware (twice as
 * long on a pool that is full).
 */
export const fastestCompletion: Strategy = {
  score: expectedMs,
  lowestScore: ({ taskMs, load }, { usualTaskMs }) => Math.min(taskMs, usualTaskMs) * (1 + load),
  reason: (pool, chance) => {
    const basis = pool.taskMs === undefined ? 'as long as elsewhere' : `measured there`;
    return `done in about ${Math.round(expectedMs(pool, chance))} ms (${basis}), ${sayLoad(pool)}`;
  },
};

function expectedMs(pool: PoolFacts, { usualTaskMs }: Chance): number {
  return (pool.taskMs ?? usualTaskMs) * (1 + loadOf(pool));
}
