import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fleetEvents } from '../../src/api/orchestrator/fleet-events.ts';
import { presentNode } from '../../src/api/orchestrator/present.ts';
import { RegistryFleet } from '../../src/api/orchestrator/registry-fleet.ts';
import { heartbeatDocument } from '../../src/flows/heartbeat-documents.ts';
import { Metrics } from '../../src/util/metrics.ts';
import { seededRandom } from '../../src/util/random.ts';
import { TestFleet } from './fleet-fixture.ts';

const incoming = (bytesMissing: number, etaMs: number | null) => [
  { id: 'flux.gguf', bytes_total: 1_000, bytes_missing: bytesMissing, eta_ms: etaMs },
];

test('what is on its way goes on between heartbeats, at the rate that was told and no further than the next one', async () => {
  const fleet = await TestFleet.open();
  const viewer = new RegistryFleet(fleet);
  await fleet.join('gpu-1');
  fleet.beat('gpu-1', [{}], { models_incoming: incoming(800, 20_000) });
  const cell = async () => (await viewer.nodes()).nodes[0]?.cells[0];
  assert.deepEqual(await cell(), { model: 0, state: 'fetching', bytesTotal: 1_000, bytesMissing: 800, etaMs: 20_000 });
  await fleet.clock.advance(5_000);
  assert.deepEqual(await cell(), { model: 0, state: 'fetching', bytesTotal: 1_000, bytesMissing: 600, etaMs: 15_000 });
  await fleet.clock.advance(15_000);
  assert.equal((await cell())?.bytesMissing, 400, 'a node that says nothing is not taken to go on for ever');
  fleet.beat('gpu-1', [{}], { models_incoming: incoming(700, null) });
  assert.equal((await cell())?.bytesMissing, 700, 'what it says itself holds');
  assert.equal((await cell())?.bytesPerSecond, 5, 'a hundred bytes in twenty seconds');
});

test('other bytes under the same name, and a size that is registered, are another revision', async () => {
  const fleet = await TestFleet.open();
  const viewer = new RegistryFleet(fleet);
  await fleet.join('gpu-1');
  const beat = (digit: string): void => {
    const models_available = ['flux'];
    const model_digests = { flux: `sha256:${digit.repeat(64)}` };
    fleet.beat('gpu-1', [{ models_available }], { models_available, model_digests });
  };
  beat('a');
  const first = await viewer.fleet();
  assert.equal(first.models[0]?.digest, `sha256:${'a'.repeat(64)}`);
  beat('b');
  const second = await viewer.fleet();
  assert.equal(second.models[0]?.digest, `sha256:${'b'.repeat(64)}`);
  assert.notEqual(second.revision, first.revision);
  await fleet.catalog.register({ id: 'flux', digest: `sha256:${'b'.repeat(64)}`, sizeBytes: 77 });
  const third = await viewer.fleet();
  assert.equal(third.models[0]?.sizeBytes, 77);
  assert.notEqual(third.revision, second.revision);
});

test('the disk of a node is in the list of nodes as its last heartbeat tells it, and of no node that does not', async () => {
  const fleet = await TestFleet.open();
  const viewer = new RegistryFleet(fleet);
  await fleet.join('gpu-1');
  await fleet.join('gpu-2');
  const { disk } = heartbeatDocument({
    ...{ now: 0, ready: true, pools: [], available: [], incoming: [], digests: {} },
    disk: { freeBytes: 700, totalBytes: 1_000 },
  });
  fleet.beat('gpu-1', [{}], { disk: Object.assign({ shown_to_nobody: 'x' }, disk) });
  const documents = [...fleet.registry.nodes()].map(presentNode);
  assert.deepEqual(
    documents.map(({ node_id, disk: told }) => [node_id, told]),
    [
      ['gpu-1', { free_bytes: 700, total_bytes: 1_000 }],
      ['gpu-2', undefined],
    ],
  );
  const shown = async () => (await viewer.nodes()).nodes.map(({ freeBytes, totalBytes }) => [freeBytes, totalBytes]);
  assert.deepEqual(await shown(), [
    [700, 1_000],
    [undefined, undefined],
  ]);
  fleet.beat('gpu-1', [{}], { disk: null });
  assert.deepEqual((await shown())[0], [undefined, undefined], 'a disk that cannot be reached has no size');
});

test('who watches hears once a second that something has come further, and nothing while nothing does', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const fleet = await TestFleet.open();
  const viewer = new RegistryFleet(fleet);
  const told: string[] = [];
  await fleet.join('gpu-1', [{ models_available: [] }]);
  const unsubscribe = fleetEvents(fleet.orchestrator, { fleet: viewer, metrics: new Metrics() }).subscribe(
    ({ event }) => told.push(event),
  );
  t.mock.timers.tick(3_000);
  assert.deepEqual(told, []);
  for (let beat = 0; beat < 50; beat += 1) {
    fleet.beat('gpu-1', [{ models_available: [] }], { models_incoming: incoming(800 - beat, 20_000) });
  }
  told.length = 0; // the first of them is a change of the node itself
  t.mock.timers.tick(3_000);
  assert.deepEqual(told, ['fleet', 'fleet', 'fleet']);
  unsubscribe();
  t.mock.timers.tick(3_000);
  assert.equal(told.length, 3);
});

test('whatever has changed, the fleet is as one finds it who looks for the first time', async () => {
  for (let seed = 1; seed <= 50; seed += 1) {
    const random = seededRandom(seed);
    const below = (limit: number): number => Math.floor(random() * limit);
    const fleet = await TestFleet.open();
    const viewer = new RegistryFleet(fleet);
    for (const id of ['a', 'b', 'c']) await fleet.join(id, [{ models_available: [] }]);
    for (let step = 0; step < 20; step += 1) {
      const names = ['d/x.gguf', 'x.gguf', 'x', 'y.gguf', 'y'].filter(() => below(2) === 0);
      const digests = names.filter(() => below(2) === 0).map((name) => [name, `sha256:${String(below(2)).repeat(64)}`]);
      const more = {
        model_digests: Object.fromEntries(digests) as Record<string, string>,
        models_incoming: incoming(9, 9),
      };
      fleet.beat(
        'abc'.charAt(below(3)),
        [{ models_available: names }],
        below(4) === 0 ? more : { ...more, models_incoming: [] },
      );
      const seen = await viewer.fleet();
      const fresh = await new RegistryFleet(fleet).fleet();
      assert.deepEqual(seen, { ...fresh, revision: seen.revision }, `seed ${seed}, step ${step}`);
    }
  }
});

test('when one node has fewer models, those of the others are not looked through again', async () => {
  const fleet = await TestFleet.open();
  const viewer = new RegistryFleet(fleet);
  await fleet.join('a', [{ models_available: ['x', 'y'] }]);
  await fleet.join('b', [{ models_available: ['x', 'y'] }]);
  await fleet.join('c', [{ models_available: ['x', 'y'] }]);
  const { models } = fleet.registry.get('a');
  const { names } = models;
  await viewer.fleet();
  let looks = 0;
  Object.defineProperty(models, 'names', { get: () => ((looks += 1), names) });
  fleet.beat('b', [{ models_available: ['y'] }]);
  assert.deepEqual((await viewer.fleet()).installed, ['wA==', 'QA==', 'wA==']);
  assert.equal(looks, 0);
});
