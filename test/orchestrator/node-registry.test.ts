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

test('the newest state wins over one that was held up on its way', async () => {
  const fleet = await TestFleet.open();
  await fleet.join('n', [{ models_available: ['new'] }]);
  const timestamp = new Date(fleet.clock.now() - 5_000).toISOString();
  fleet.beat('n', [{ models_available: ['old'] }], { timestamp });
  assert.deepEqual(fleet.registry.get('n').models.names, ['new']);
  const reset = new Date(fleet.clock.now() - 3_600_000).toISOString();
  fleet.beat('n', [{ models_available: ['after the clock was set'] }], { timestamp: reset });
  assert.deepEqual(fleet.registry.get('n').models.names, ['after the clock was set']);
});

test('an id belongs to the first that registers it, until it is deleted', async () => {
  const fleet = await TestFleet.open();
  const { registry } = fleet;
  const other = { source: '10.0.0.9', proven: false };
  await fleet.join('n');
  const impostor = registration('n', { machine_id: 'another', address: 'http://10.0.0.9:9200' });
  await assert.rejects(registry.register(impostor, other), code('conflict'));
  await assert.rejects(registry.register(impostor, here), code('conflict'), 'two daemons on one host');
  assert.equal(registry.get('n').online, true, 'the owner is not disturbed');
  await registry.register(registration('n', { address: 'http://10.0.0.9:9200' }), other);
  assert.equal(registry.get('n').address, 'http://10.0.0.9:9200', 'the same machine may move');
  assert.throws(() => fleet.beat('n'), code('not-found'), 'and from its old address it has to register again');
  const renewed = registration('n', { machine_id: 'made anew', address: 'http://10.0.0.9:9200' });
  await registry.register(renewed, other);
  await assert.rejects(registry.register(impostor, here), code('conflict'));
  await registry.register(impostor, { source: 'anywhere', proven: true });
  await registry.remove('n');
  await registry.register(registration('n'), here);
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
