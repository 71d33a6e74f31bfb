import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ModelSizes } from '../../src/orchestrator/model-sizes.ts';
import { fullWish, TestFleet } from './fleet-fixture.ts';

const digest = `sha256:${'a'.repeat(64)}`;
const empty = { models_available: [] as string[] };

function prospects(fleet: TestFleet, wish: Parameters<typeof fullWish>[0]): unknown[] {
  return fleet.orchestrator
    .whyNot(fullWish(wish))
    .prospects.map(({ pool, inMs, because }) => [pool.node.id, Math.round(inMs), because]);
}

test('a model that is on its way names the node where it arrives first, less the time since it was said', async () => {
  const fleet = await TestFleet.open();
  const incoming = (etaMs: number | null) => ({ id: 'm', digest, bytes_total: 1e9, bytes_missing: 1e8, eta_ms: etaMs });
  await fleet.join('slow', [empty]);
  await fleet.join('fast', [empty]);
  await fleet.join('unready', [{ ...empty, ready: false }]);
  fleet.beat('slow', [empty], { models_incoming: [incoming(60_000)] });
  fleet.beat('fast', [empty], { models_incoming: [incoming(9_000)] });
  fleet.beat('unready', [{ ...empty, ready: false }], { models_incoming: [incoming(1)] });
  await fleet.clock.advance(2_000);
  assert.deepEqual(prospects(fleet, { models: ['m'] }), [
    ['fast', 7_000, 'incoming'],
    ['slow', 58_000, 'incoming'],
  ]);
  assert.deepEqual(prospects(fleet, { models: ['m'], digest: `sha256:${'b'.repeat(64)}` }), [], 'other content');
});

test('by a name that follows from the id, too', async () => {
  const fleet = await TestFleet.open();
  await fleet.join('n', [empty]);
  const incoming = { id: 'llm/big.gguf', digest, bytes_total: 10, bytes_missing: 5, eta_ms: 100 };
  fleet.beat('n', [empty], { models_incoming: [incoming] });
  assert.deepEqual(prospects(fleet, { models: ['big'] }), [['n', 100, 'incoming']]);
});

test('without an estimate the measured rate tells, and for what nobody fetches the size', async () => {
  const fleet = await TestFleet.open();
  const incoming = (missing: number) => ({ id: 'm', digest, bytes_total: 2_000, bytes_missing: missing, eta_ms: null });
  await fleet.join('n', [empty]);
  fleet.beat('n', [empty], { models_incoming: [incoming(2_000)] });
  assert.deepEqual(prospects(fleet, { models: ['m'] }), [], 'nothing is known of the rate yet');
  await fleet.clock.advance(1_000);
  fleet.beat('n', [empty], { models_incoming: [incoming(1_500)] });
  assert.deepEqual(prospects(fleet, { models: ['m'] }), [['n', 3_000, 'incoming']]);
  await fleet.join('idle', [empty]);
  await fleet.catalog.register({ id: 'other', digest, sizeBytes: 5_000 });
  assert.deepEqual(prospects(fleet, { models: ['other'] }), [
    ['n', 10_000, 'fetch'],
    ['idle', 10_000, 'fetch'],
  ]);
});

test('a full pool can run it when a lease ends, or as soon as tasks usually end there', async () => {
  const fleet = await TestFleet.open();
  await fleet.join('n');
  const lease = fleet.orchestrator.lease('n', 'pool-0', 4_000);
  assert.deepEqual(prospects(fleet, { models: ['m'] }), [['n', 4_000, 'slot']]);
  fleet.orchestrator.leases.release(lease.id, 20_000);
  fleet.beat('n', [{ slots_free: 0, slots_total: 2 }]);
  assert.deepEqual(
    prospects(fleet, { models: ['m'] }),
    [['n', 10_000, 'slot']],
    'two at work, one ends in half the time',
  );
});

test('a model that arrives with another content than the registered one promises nothing', async () => {
  const fleet = await TestFleet.open();
  await fleet.catalog.register({ id: 'm.gguf', digest });
  const other = `sha256:${'b'.repeat(64)}`;
  const incoming = (of: string | null) => ({
    ...{ id: 'm.gguf', digest: of, bytes_total: 1e9, bytes_missing: 1e8, eta_ms: 9_000 },
  });
  for (const [node, of] of Object.entries({ wrong: other, right: digest, untold: null })) {
    await fleet.join(node, [empty]);
    fleet.beat(node, [empty], { models_incoming: [incoming(of)] });
  }
  const nodes = prospects(fleet, { models: ['m.gguf'] }).map((one) => (one as string[])[0]);
  assert.deepEqual(nodes.sort(), ['right', 'untold']);
});

test('how large a model is remains known after it has arrived, by all of its names', async () => {
  const fleet = await TestFleet.open();
  const incoming = (missing: number) => ({ id: 'd/m.gguf', digest, bytes_total: 1e9, bytes_missing: missing });
  await fleet.join('has', [empty]);
  await fleet.join('idle', [empty]);
  fleet.beat('has', [empty], { models_incoming: [incoming(1e9)] });
  await fleet.clock.advance(1_000);
  fleet.beat('has', [empty], { models_incoming: [incoming(9e8)] });
  await fleet.clock.advance(1_000);
  fleet.beat('has', [{ models_available: ['d/m.gguf', 'm'], slots_free: 0 }]);
  for (const model of ['d/m.gguf', 'm']) {
    assert.deepEqual(prospects(fleet, { models: [model] }), [['idle', 10_000, 'fetch']], model);
  }
});

test('sizes are remembered within a bound, what was said longest ago is forgotten first', () => {
  const sizes = new ModelSizes({ maxBytes: 100_000 });
  for (let index = 0; index < 5_000; index += 1) sizes.note(`model-${index}`, index + 1);
  assert.ok(sizes.usedBytes <= 100_000 && sizes.usedBytes > 90_000, `${sizes.usedBytes}`);
  assert.deepEqual([sizes.of('model-0'), sizes.of('model-4999')], [undefined, 5_000]);
});
