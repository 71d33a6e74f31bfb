import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { refusalOf, type StrategyName, strategies } from '../../src/orchestrator/placement.ts';
import { fullWish, TestFleet } from './fleet-fixture.ts';

const sorting = (Object.keys(strategies) as StrategyName[]).filter((name) => name !== 'random');
const NODES = 4;
const fleetSize = { minLength: NODES, maxLength: NODES };

const pool = fc.record({
  ready: fc.constantFrom(true, true, false),
  slots_free: fc.nat({ max: 4 }),
  slots_total: fc.constant(4),
  priority: fc.nat({ max: 2 }),
  models_available: fc.constantFrom<string[]>(['a', 'b'], ['a'], ['b']),
});

const pools = fc.array(pool, { minLength: 1, maxLength: 2 });
const node = fc.nat({ max: NODES - 1 });
const event = fc.oneof(
  fc.record({ kind: fc.constant('beat' as const), node, pools }),
  fc.record({ kind: fc.constant('change' as const), node, priority: fc.nat({ max: 2 }) }),
  fc.record({ kind: fc.constant('wait' as const), ms: fc.nat({ max: 500 }) }),
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('release' as const), which: fc.nat(), tookMs: fc.nat({ max: 100_000 }) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('place' as const),
      strategy: fc.constantFrom(...sorting),
      count: fc.constantFrom(1, 1, 3),
    }),
  },
);

test('whatever happened before, the best pools are those that a look at every pool finds', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(pools, fleetSize),
      fc.array(event, { minLength: 20, maxLength: 60 }),
      async (first, events) => {
        const fleet = await TestFleet.open();
        for (const [index, given] of first.entries()) await fleet.join(`n${index}`, given);
        const leases: string[] = [];
        for (const what of events) {
          switch (what.kind) {
            case 'beat':
              fleet.beat(`n${what.node}`, what.pools);
              break;
            case 'change':
              await fleet.registry.change(`n${what.node}`, { priority: what.priority });
              break;
            case 'release':
              fleet.orchestrator.leases.release(leases[what.which % leases.length] ?? '', what.tookMs);
              break;
            case 'wait':
              await fleet.clock.advance(what.ms);
              break;
            case 'place': {
              const best = sorted(fleet, what.strategy);
              const placed = await fleet.place({ ...what, models: ['a'], leaseMs: 1_000 });
              if (placed?.lease !== undefined) leases.push(placed.lease.id);
              assert.deepEqual(placed?.candidates.length ?? 0, Math.min(best.length, what.count));
              for (const [index, candidate] of (placed?.candidates ?? []).entries()) {
                const rank = best.find(({ id }) => id === `${candidate.pool.node.id}/${candidate.pool.poolId}`);
                assert.deepEqual(rank?.rank, best[index]?.rank, JSON.stringify(best));
              }
            }
          }
        }
      },
    ),
    { numRuns: 100 },
  );
});

/** Every pool that can take the task, best first, with what decides. */
function sorted(fleet: TestFleet, name: StrategyName): { id: string; rank: readonly [number, number] }[] {
  fleet.orchestrator.leases.expire();
  const demand = { ...fullWish({ models: ['a'] }), exclude: new Set<string>(), retired: [] };
  const chance = { random: () => 0, usualTaskMs: fleet.orchestrator.leases.usualTaskMs };
  return [...fleet.registry.nodes()]
    .flatMap((node) => [...node.pools.values()])
    .filter((one) => refusalOf(one, demand) === undefined)
    .map((one) => ({
      id: `${one.node.id}/${one.poolId}`,
      rank: [strategies[name].score(one, chance), one.lastPlaced] as const,
    }))
    .sort((one, other) => one.rank[0] - other.rank[0] || one.rank[1] - other.rank[1]);
}
