import assert from 'node:assert/strict';
import { test } from 'node:test';
import { campaign } from '../../sim/campaign.ts';
import { daemonPolicies } from '../../sim/daemon-policies.ts';
import { plainScenario } from '../../sim/scenario.ts';
import { simulate } from '../../sim/simulate.ts';
import { VARIANTS } from '../../sim/variants.ts';
import { World } from '../../sim/world.ts';

const SEED = Number(process.env['SHOAL_TEST_SEED'] ?? 1);
/** Small, so that a test is quick: begin and end then weigh four times as much as in the 256 MiB that the limits are for. */
const SMALL = { nodes: 8, mib: 64, mbit: 50, seed: SEED };
const ALLOWANCE = 0.06;

for (const { name, ratio, copies, scenario } of VARIANTS) {
  test(`eight nodes, ${name}: all finish within ${ratio} × the bound, from about ${copies} copies`, async () => {
    const outcome = await simulate(scenario(SMALL));
    const said = `seed ${SEED}: ${JSON.stringify(outcome)}`;
    assert.ok(outcome.ended, said);
    assert.deepEqual(outcome.wrong, [], said);
    assert.ok(outcome.ratio <= ratio + ALLOWANCE, said);
    assert.ok(outcome.copies <= copies + ALLOWANCE, said);
    assert.ok(outcome.wastedShare <= 0.03, said);
  });
}

test('sixteen nodes are hardly slower than one, and four neither', async () => {
  for (const nodes of [4, 16]) {
    const outcome = await simulate(plainScenario({ ...SMALL, nodes }));
    assert.ok(outcome.ratio <= 1.25 && outcome.copies <= 1.06, `seed ${SEED}: ${JSON.stringify(outcome)}`);
  }
});

test('a quick node beside a quick node that has the file does not wait for slow ones that fetch it too', async () => {
  const plain = plainScenario({ nodes: 4, mib: 32, mbit: 8, seed: SEED });
  const quick = plain.nodes.map((traits, index) => ({
    ...{ ...traits, withoutOrigin: true, whole: index === 0 },
    ...(index < 2 ? { bytesPerSecond: 32 * traits.bytesPerSecond } : {}),
  }));
  const world = new World({ ...plain, nodes: quick }, daemonPolicies());
  assert.ok(await world.run());
  const [, second, ...slow] = world.nodes.map(({ doneMs = Infinity }) => doneMs);
  assert.ok(second! < 0.1 * Math.min(...slow), `seed ${SEED}: ${second} of ${slow.join(', ')} ms`);
});

test('simulations with every trouble all end with nothing wrong installed', async () => {
  for await (const { outcome, story } of campaign(SEED, 6)) {
    const said = `seed ${outcome.seed}: ${story}: ${JSON.stringify(outcome)}`;
    assert.ok(outcome.ended, said);
    assert.deepEqual(outcome.wrong, [], said);
  }
});

test('the same seed tells the same story to the last digit', async () => {
  const small = plainScenario({ ...SMALL, mib: 16 });
  assert.deepEqual(await simulate(small), await simulate(small));
});
