import { type Strategy, sayLoad } from '../strategy.ts';

/** Any pool with the same chance; the same seed over the same fleet chooses the same. */
export const random: Strategy = {
  score: (_pool, chance) => chance.random(),
  reason: (pool) => `chosen at random, ${sayLoad(pool)}`,
};
