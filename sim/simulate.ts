import { daemonPolicies } from './daemon-policies.ts';
import { type Outcome, outcomeOf } from './outcome.ts';
import type { Scenario } from './scenario.ts';
import { type Policies, World } from './world.ts';

/** Runs one simulation to its end. The same scenario gives the same outcome, to the last digit. */
export async function simulate(scenario: Scenario, policies: Policies = daemonPolicies()): Promise<Outcome> {
  const world = new World(scenario, policies);
  return outcomeOf(world, await world.run());
}
