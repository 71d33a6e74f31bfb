import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeRecord } from '../../src/orchestrator/fleet-node.ts';
import type { CatalogModel } from '../../src/orchestrator/model-catalog.ts';
import { parseHeartbeat } from '../../src/orchestrator/parse-document.ts';
import { ShoalError } from '../../src/util/errors.ts';
import { here, MapTable, recorded, registration, TestFleet } from './fleet-fixture.ts';

const code = (expected: string) => (error: unknown) => error instanceof ShoalError && error.code === expected;

test('a node is registering until its first heartbeat, online after it, and offline strictly after 30 s', async () => {
  const fleet = await TestFleet.open();
  await fleet.registry.register(registration('n'), here);
  const status = (): string => fleet.registry.get('n').status;
  assert.equal(status(), 'Registering');
  assert.equal(fleet.registry.onlineNodes, 0);
  fleet.beat('n');
  assert.equal(status(), 'Online');
  await fleet.clock.advance(30_000);
  assert.equal(status(), 'Online', 'at 30,000 ms it is still there');
  await fleet.clock.advance(1);
  assert.equal(status(), 'Offline');
  assert.deepEqual([fleet.registry.onlineNodes, fleet.registry.index.size], [0, 0]);
  fleet.beat('n');
  assert.equal(status(), 'Online', 'a heartbeat brings it back');
});

test('the sweep finds silent nodes without being asked, and tells it', async () => {
  const fleet = await TestFleet.open();
  await fleet.join('n');
  const told: string[] = [];
  fleet.registry.on('node', ({ status, reason }) => told.push(`${String(status)}: ${reason}`));
  const ending = new AbortController();
  const loop = fleet.registry.run(ending.signal).catch(() => undefined);
  await fleet.clock.advance(40_000);
  assert.deepEqual(told, ['Offline: silent']);
  ending.abort();
  await loop;
});

test('a node whose heartbeats cannot be read has failed, and is only offline when it falls silent', async () => {
  const fleet = await TestFleet.open();
  await fleet.join('n');
  const ending = new AbortController();
  const loop = fleet.registry.run(ending.signal).catch(() => undefined);
  await fleet.clock.advance(25_000);
  fleet.registry.fault('n', here);
  await fleet.clock.advance(10_000);
  assert.equal(fleet.registry.get('n').status, 'Failed');
  await fleet.clock.advance(40_000);
  assert.equal(fleet.registry.get('n').status, 'Offline');
  ending.abort();
  await loop;
});

test('a node drains when all of its pools do, or when the operator says so', async () => {
  const fleet = await TestFleet.open();
  await fleet.join('n', [{ draining: true }, {}]);
  const status = (): string => fleet.registry.get('n').status;
  assert.equal(status(), 'Online');
  fleet.beat('n', [{ draining: true }, { draining: true }]);
  assert.equal(status(), 'Draining');
  fleet.beat('n');
  await fleet.registry.change('n', { draining: true });
  assert.equal(status(), 'Draining');
  assert.deepEqual(await fleet.candidates(), []);
  await fleet.registry.change('n', { draining: false });
  assert.deepEqual(await fleet.candidates(), ['n']);
});

test('heartbeats of nodes that are not registered are refused, so that they register', async () => {
  const fleet = await TestFleet.open();
  assert.throws(() => fleet.beat('n'), code('not-found'));
  await fleet.join('n');
  assert.equal(await fleet.registry.remove('n'), true);
  assert.equal(await fleet.registry.remove('n'), false);
  assert.throws(() => fleet.beat('n'), code('not-found'));
});

test('a heartbeat that was overtaken by a newer one changes nothing, is no sign of life and is not answered as taken', async () => {
  const fleet = await TestFleet.open();
  await fleet.join('n', [{ models_available: ['old'] }]);
  const written = new Date(fleet.clock.now() + 1_000).toISOString();
  await fleet.clock.advance(5_000);
  fleet.beat('n', [{ models_available: ['new'] }]);
  await fleet.clock.advance(20_000);
  const late = (): void => fleet.beat('n', [{ models_available: ['old'] }], { timestamp: written });
  assert.throws(late, /written 4000 ms before one that has been taken/);
  assert.throws(late, code('not-found'), 'who sends and still lives registers again, as after any 404');
  assert.deepEqual(fleet.registry.get('n').models.names, ['new']);
  await fleet.clock.advance(10_001);
  assert.equal(fleet.registry.get('n').status, 'Offline', '30 s after the one that was taken');
  assert.throws(late, code('not-found'), 'an old state brings nobody back');
});

test('a heartbeat that a partition held up for more than 30 s brings no node back, whatever its clock says', async () => {
  const fleet = await TestFleet.open();
  const skewed = (agoMs = 0): string => new Date(fleet.clock.now() - agoMs - 7_200_000).toISOString();
  await fleet.registry.register(registration('n'), here);
  fleet.beat('n', [{ models_available: ['m'] }], { timestamp: skewed() });
  await fleet.clock.advance(60_000);
  const heldUp = skewed(31_000);
  assert.throws(() => fleet.beat('n', [{ models_available: ['m'] }], { timestamp: heldUp }), /held up for 31 s/);
  assert.deepEqual(await fleet.candidates({ models: ['m'] }), []);
  fleet.beat('n', [{ models_available: ['m'] }], { timestamp: skewed(29_000) });
  assert.deepEqual(await fleet.candidates({ models: ['m'] }), ['n'], 'one that took less may be late');
});

test('a node whose clock was set is told to register, and is heard again', async () => {
  const fleet = await TestFleet.open();
  await fleet.join('n', [{ models_available: ['before'] }]);
  const timestamp = new Date(fleet.clock.now() - 3_600_000).toISOString();
  const after = (): void => fleet.beat('n', [{ models_available: ['after'] }], { timestamp });
  assert.throws(after, code('not-found'));
  await fleet.registry.register(registration('n'), here);
  after();
  assert.deepEqual(fleet.registry.get('n').models.names, ['after']);
});

test('after a restart nodes are known at once, and online after one heartbeat', async () => {
  const nodes = new MapTable<NodeRecord>();
  const catalog = new MapTable<CatalogModel>();
  const before = await TestFleet.open({ nodes, catalog });
  await before.join('a');
  await before.join('b');
  await before.registry.change('b', { draining: true, priority: 7 });
  await before.catalog.register({ id: 'm', digest: `sha256:${'0'.repeat(64)}` });
  await before.catalog.setState('m', 'Retired');
  const after = await TestFleet.open({ nodes, catalog });
  assert.deepEqual([...after.registry.nodes()].map(({ id, status }) => [id, status]).sort(), [
    ['a', 'Registering'],
    ['b', 'Registering'],
  ]);
  assert.deepEqual(await after.candidates(), []);
  after.beat('a');
  after.beat('b');
  assert.deepEqual(await after.candidates(), ['a'], 'b still drains');
  assert.equal(after.registry.get('b').record.priority, 7);
  assert.deepEqual(after.refusals({ models: ['m'] }), { 'a/pool-0': 'retired', 'b/pool-0': 'retired' });
});

test('a node that is silent for a week is forgotten', async () => {
  const nodes = new MapTable<NodeRecord>();
  const fleet = await TestFleet.open({ nodes });
  await fleet.join('n');
  const ending = new AbortController();
  const loop = fleet.registry.run(ending.signal).catch(() => undefined);
  await fleet.clock.advance(3600_000);
  assert.equal(fleet.registry.size, 1);
  await fleet.clock.drive(fleet.clock.sleep(7 * 24 * 3600_000, ending.signal), 8 * 24 * 3600_000);
  assert.deepEqual([fleet.registry.size, nodes.map.size], [0, 0]);
  ending.abort();
  await loop;
});

test('recorded heartbeats: the pools of upstream, with models and without', async () => {
  const fleet = await TestFleet.open();
  await fleet.registry.register(registration('gpu-node-1'), here);
  fleet.registry.heartbeat('gpu-node-1', parseHeartbeat(recorded('upstream-heartbeat')), here);
  assert.deepEqual(await fleet.candidates(), ['gpu-node-1'], 'a task without a model goes to any ready pool');
  assert.deepEqual(fleet.refusals({ models: ['llama-3.1-8b-instruct'] }), {
    'gpu-node-1/pool-0': 'model-missing',
    'gpu-node-1/pool-1': 'model-missing',
  });
  fleet.registry.heartbeat('gpu-node-1', parseHeartbeat(recorded('upstream-heartbeat-with-models')), here);
  assert.deepEqual(await fleet.candidates({ models: ['llama-3.1-8b-instruct'] }), ['gpu-node-1']);
  assert.equal(fleet.registry.get('gpu-node-1').pools.size, 1, 'a pool that is not reported is gone');
});

test('a pool without a list of its own offers what its node offers', async () => {
  const fleet = await TestFleet.open();
  await fleet.registry.register(registration('n'), here);
  const pools = [{ models_available: undefined }, { models_available: ['own'] }].map((one, index) => ({
    ...{ pool_id: `p${index}`, ready: true, draining: false, slots_free: 1, slots_total: 1, vram_free_bytes: 0 },
    ...(one.models_available === undefined ? {} : { models_available: one.models_available }),
  }));
  const timestamp = new Date(fleet.clock.now()).toISOString();
  fleet.registry.heartbeat('n', { timestamp, pools, models_available: ['b', 'a'] }, here);
  const node = fleet.registry.get('n');
  assert.deepEqual(
    [...node.pools.values()].map((pool) => pool.models.names),
    [['a', 'b'], ['own']],
  );
  assert.deepEqual(node.models.names, ['a', 'b', 'own']);
});
