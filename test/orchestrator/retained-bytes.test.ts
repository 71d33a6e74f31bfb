import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { RetainedBytes } from '../../src/orchestrator/retained-bytes.ts';
import { ShoalError } from '../../src/util/errors.ts';
import { here, registration, TestFleet } from './fleet-fixture.ts';

const busy = (error: unknown): boolean =>
  error instanceof ShoalError && error.code === 'source-busy' && /fills the \d MiB/.test(error.message);
const names = (of: string, count: number): string[] => Array.from({ length: count }, (_, index) => `${of}-${index}`);

test('what all nodes say has a bound: who would break it is refused, and those that are there go on', async () => {
  const retained = new RetainedBytes({ maxBytes: 2 ** 20 });
  const fleet = await TestFleet.open({ retained });
  const large = names('model', 4_000);
  await fleet.join('a', [{ models_available: large }]);
  await fleet.join('b', [{ models_available: large }]);
  await assert.rejects(fleet.join('c', [{ models_available: large }]), busy);
  assert.equal(fleet.registry.get('c').status, 'Registering', 'it is known, and offers nothing');
  fleet.beat('a', [{ models_available: large }]);
  assert.throws(() => fleet.beat('b', [{ models_available: names('x'.repeat(200), 4_000) }]), busy);
  assert.deepEqual(fleet.registry.get('b').models.names, [...large].sort(), 'what it said before holds');
  fleet.beat('b', [{ models_available: ['m'] }]);
  fleet.beat('c', [{ models_available: large }]);
  assert.deepEqual((await fleet.candidates({ models: ['model-0'] })).sort(), ['a', 'c']);
});

test('nodes that are offline, registered anew or deleted hold nothing of what they said', async () => {
  const retained = new RetainedBytes({ maxBytes: 2 ** 20 });
  const fleet = await TestFleet.open({ retained });
  const large = names('model', 4_000);
  for (let round = 0; round < 20; round += 1) {
    await fleet.join('n', [{ models_available: large }]);
    await fleet.registry.register(registration('n'), here);
    await fleet.join(`other-${round}`, [{ models_available: large }]);
    if (round % 2 === 0) await fleet.registry.remove(`other-${round}`);
    else await fleet.clock.advance(30_001);
  }
  assert.deepEqual([...fleet.registry.nodes()].filter(({ online }) => online).length, 0);
  assert.ok(retained.usedBytes < 100_000, `${retained.usedBytes} bytes for 11 registrations`);
  for (const { id } of [...fleet.registry.nodes()]) await fleet.registry.remove(id);
  assert.equal(retained.usedBytes, 0, 'what was counted in was counted out');
});

test('registrations are kept without what nobody reads, and count as well', async () => {
  const retained = new RetainedBytes({ maxBytes: 2 ** 20 });
  const fleet = await TestFleet.open({ retained });
  const ballast = { ballast: 'x'.repeat(2 ** 19) } as object;
  await fleet.registry.register(registration('n', ballast), here);
  assert.ok(!('ballast' in fleet.registry.get('n').record.registration));
  assert.ok(retained.usedBytes < 10_000);
  const gpu = { device_id: 0, name: 'x'.repeat(1_024), vram_total_bytes: 1, compute_capability: 'x'.repeat(1_024) };
  const large = { capabilities: { gpus: Array.from({ length: 64 }, () => gpu) } };
  await assert.rejects(async () => {
    for (let node = 0; node < 100; node += 1) await fleet.registry.register(registration(`n${node}`, large), here);
  }, busy);
});

test('a node that registers anew with more than there is room for is refused, and stays as it was', async () => {
  const retained = new RetainedBytes({ maxBytes: 2 ** 16 });
  const fleet = await TestFleet.open({ retained });
  await fleet.registry.register(registration('n'), here);
  const before = retained.usedBytes;
  const gpu = { device_id: 0, name: 'x'.repeat(1_024), vram_total_bytes: 1, compute_capability: 'x'.repeat(1_024) };
  const large = { capabilities: { gpus: Array.from({ length: 64 }, () => gpu) } };
  await assert.rejects(async () => fleet.registry.register(registration('n', large), here), busy);
  assert.equal(retained.usedBytes, before);
  await fleet.registry.register(registration('n'), here);
});

test('all pools of a node together have no more names than one list may have', async () => {
  const fleet = await TestFleet.open();
  await fleet.join('n');
  const pools = Array.from({ length: 256 }, (_, pool) => ({ models_available: names(`p${pool}`, 1_000) }));
  const startMs = performance.now();
  assert.throws(() => fleet.beat('n', pools), /models_available of all pools has more than 20000 names/);
  assert.ok(performance.now() - startMs < 2_000);
  assert.deepEqual(fleet.registry.get('n').models.names, ['m']);
  const same = Array.from({ length: 256 }, () => ({ models_available: names('m', 1_000) }));
  fleet.beat('n', same);
  const lists = new Set([...fleet.registry.get('n').pools.values()].map(({ models }) => models));
  assert.equal(lists.size, 1, 'one list stands for all that are the same');
});

test('twenty thousand ids with ten thousand names each end in a refusal, and memory stays bounded', async () => {
  const child = join(import.meta.dirname, 'hostile-fleet-child.ts');
  const { stdout } = await promisify(execFile)(process.execPath, [child], { timeout: 60_000 });
  const { taken, refusedHeartbeats, refusedRegistrations, rssMiB } = JSON.parse(stdout) as Record<string, number>;
  assert.ok((taken ?? 0) > 5, stdout);
  assert.ok((refusedHeartbeats ?? 0) > 0 && (refusedRegistrations ?? 0) > 0, stdout);
  assert.ok((rssMiB ?? Infinity) < 400, stdout);
});
