import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NoPlacement } from '../../src/orchestrator/orchestrator.ts';
import { KEPT_MS, RefusalMemory, WORTH_POOLS } from '../../src/orchestrator/refusal-memory.ts';
import { fullWish, TestFleet } from './fleet-fixture.ts';

const digest = `sha256:${'a'.repeat(64)}`;
const other = { models_available: ['other'] };
const wish = fullWish({ models: ['m'] });

/** Of so many pools that their reasons are remembered; none has `m`. */
async function largeFleet(): Promise<TestFleet> {
  const fleet = await TestFleet.open();
  for (let node = 0; node < WORTH_POOLS / 100; node += 1) {
    await fleet.join(
      `n${node}`,
      Array.from({ length: 100 }, () => other),
    );
  }
  return fleet;
}

test('whoever asks the same again at once gets the same answer, without every pool being looked at', async () => {
  const fleet = await largeFleet();
  const { orchestrator, clock } = fleet;
  const first = orchestrator.whyNot(wish);
  assert.deepEqual(first.counts, { 'model-missing': WORTH_POOLS });
  await clock.advance(KEPT_MS - 1);
  assert.equal(orchestrator.whyNot(wish), first);
  assert.notEqual(orchestrator.whyNot(fullWish({ models: ['m', 'other'] })), first, 'another task');
  assert.notEqual(orchestrator.whyNot(fullWish({ models: ['m'], digest })), first, 'other content');
  assert.deepEqual(orchestrator.whyNot(fullWish({ models: ['m'], exclude: ['n0'] })).counts.excluded, 100);
  assert.equal(orchestrator.whyNot(wish), first);
  await clock.advance(1);
  assert.notEqual(orchestrator.whyNot(wish), first);
});

test('when a node gets the model, starts to fetch it, or is lost, the answer is another at once', async () => {
  const fleet = await largeFleet();
  const { orchestrator } = fleet;
  orchestrator.whyNot(wish);
  const incoming = { id: 'm', digest, bytes_total: 1e9, bytes_missing: 1e8, eta_ms: 5_000 };
  fleet.beat('n3', [other], { models_incoming: [incoming] });
  assert.equal(orchestrator.whyNot(wish).prospects[0]?.pool.node.id, 'n3');
  // The only one that has it is busy.
  fleet.beat('n3', [{ slots_free: 0 }]);
  assert.deepEqual(await fleet.candidates({ models: ['m'] }), []);
  assert.equal(fleet.refusals({ models: ['m'] })['n3/pool-0'], 'no-free-slot');
  fleet.beat('n3', [{}]);
  assert.deepEqual(await fleet.candidates({ models: ['m'] }), ['n3'], 'places are never remembered');
  await fleet.registry.remove('n3');
  assert.equal(orchestrator.whyNot(wish).counts['no-free-slot'], undefined);
});

test('when the model is retired, or known by its size, the answer is another at once', async () => {
  const fleet = await largeFleet();
  const { orchestrator, catalog } = fleet;
  orchestrator.whyNot(wish);
  await catalog.register({ id: 'm', digest });
  await catalog.setState('m', 'Retired');
  assert.deepEqual(orchestrator.whyNot(wish).counts, { retired: WORTH_POOLS });
  await catalog.remove('m');
  assert.deepEqual(orchestrator.whyNot(wish).counts, { 'model-missing': WORTH_POOLS });
});

test('a small fleet is looked at each time, and of a flood of names few answers are kept', () => {
  const memory = new RefusalMemory<NoPlacement>();
  const now = { versions: { registry: 1, catalog: 1 }, ms: 0 };
  const answer = (pools: number) => (): NoPlacement => ({
    refused: [],
    counts: { offline: 1, 'model-missing': pools - 1 },
    prospects: [],
  });
  memory.recall(wish, now, answer(WORTH_POOLS - 1));
  assert.equal(memory.size, 0);
  for (let name = 0; name < 1_000; name += 1) {
    memory.recall(fullWish({ models: [`m${name}`] }), now, answer(WORTH_POOLS));
  }
  assert.equal(memory.size, 64);
});
