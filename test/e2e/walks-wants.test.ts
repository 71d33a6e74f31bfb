import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeLora, makeSafetensors } from '../support/make-safetensors.ts';
import { runShoal } from '../support/run-shoal.ts';
import { digestsIn, TestBed } from '../support/test-bed.ts';
import { delay, eventually } from '../support/wait.ts';
import { checkClaims } from './claims.ts';

const MIB = 1 << 20;

test('wants and pins outlive kill -9, and a want is fulfilled when somebody comes who has it', {
  timeout: 120_000,
}, async (t) => {
  const bed = await TestBed.open({ context: t });
  const nas = await bed.makeDirectory('nas');
  const made = await makeLora(join(nas, 'loras/later.safetensors'), { seed: 'later' });
  await makeLora(join(nas, 'loras/pinned.safetensors'), { seed: 'pinned' });
  await bed.publish(nas);
  const origin = await bed.origin(nas);
  const daemon = await bed.daemon('a', { origins: [origin.url] });
  await daemon.want('pinned');
  await daemon.waitForModel('pinned');
  await daemon.json('/v1/models/loras/pinned.safetensors/pin', 'PUT');
  // The list can be read, the file cannot.
  origin.misbehave({ kind: 'status', status: 503 });
  await daemon.want('loras/later.safetensors', { priority: 'high' });
  await daemon.kill();
  await daemon.start();

  const pinned = await daemon.model('loras/pinned.safetensors');
  assert.deepEqual({ pinned: pinned.pinned, wanted: pinned.wanted }, { pinned: true, wanted: true });
  assert.equal((await daemon.model('loras/later.safetensors')).wanted, true);
  const refused = await runShoal(['rm', 'pinned'], { api: daemon.api });
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /unpin/);
  assert.ok(existsSync(join(daemon.modelsDir, 'loras/pinned.safetensors')));

  origin.heal();
  await daemon.waitForModel('loras/later.safetensors', 'installed', 60_000);
  assert.equal((await digestsIn(daemon.modelsDir))['loras/later.safetensors'], made.sha256);
});

test('a model deleted by hand is withdrawn at once, and comes back only if it is wanted', {
  timeout: 120_000,
}, async (t) => {
  const bed = await TestBed.open({ context: t });
  const consumer = await bed.consumer();
  const nas = await bed.makeDirectory('nas');
  const wanted = await makeSafetensors(join(nas, 'checkpoints/wanted.safetensors'), { seed: 'w', sizeBytes: 8 * MIB });
  const given = await makeLora(join(bed.directory, 'a/models/loras/given.safetensors'), { seed: 'g' });
  await makeLora(join(nas, 'loras/given.safetensors'), { seed: 'g' });
  await bed.publish(nas);
  const origin = await bed.origin(nas);
  const a = await bed.daemon('a', { origins: [origin.url], orchestrators: [consumer.url] });
  const b = await bed.daemon('b');
  await a.want('wanted');
  for (const id of ['checkpoints/wanted.safetensors', 'loras/given.safetensors']) await consumer.waitFor('a', id);

  const deletedAtMs = Date.now();
  await rm(join(a.modelsDir, 'checkpoints/wanted.safetensors'));
  await rm(join(a.modelsDir, 'loras/given.safetensors'));
  for (const id of ['checkpoints/wanted.safetensors', 'loras/given.safetensors']) {
    const withdrawnAtMs = await eventually(
      `${id} is withdrawn`,
      () => consumer.of('a').find(({ atMs, models }) => atMs >= deletedAtMs && !models.includes(id))?.atMs,
    );
    assert.ok(withdrawnAtMs - deletedAtMs < 2_000, `${id} was withdrawn after ${withdrawnAtMs - deletedAtMs} ms`);
  }
  const falsehoods = checkClaims(consumer, {
    daemons: () => bed.daemons,
    models: { 'checkpoints/wanted.safetensors': { 'checkpoints/wanted.safetensors': wanted } },
  });

  await consumer.waitFor('a', 'checkpoints/wanted.safetensors', { timeoutMs: 30_000 });
  await a.waitForModel('checkpoints/wanted.safetensors');
  assert.deepEqual(await digestsIn(a.modelsDir), { 'checkpoints/wanted.safetensors': wanted.sha256 });
  await delay(2_500);
  assert.equal(consumer.available('a').includes('loras/given.safetensors'), false);
  assert.equal(existsSync(join(a.modelsDir, 'loras/given.safetensors')), false, `${given.file} came back unasked`);
  const inFleet = await b.models('fleet');
  assert.deepEqual(inFleet.find(({ id }) => id === 'loras/given.safetensors')?.nodes ?? [], []);
  assert.deepEqual(falsehoods, []);
});

test('a model is withdrawn everywhere before shoal rm deletes its first byte', { timeout: 120_000 }, async (t) => {
  const bed = await TestBed.open({ context: t });
  const consumer = await bed.consumer();
  const id = 'loras/m.safetensors';
  const made = await makeLora(join(bed.directory, 'a/models', id), { seed: 'rm' });
  const falsehoods = checkClaims(consumer, { daemons: () => bed.daemons, models: { [id]: { [id]: made } } });
  const a = await bed.daemon('a', { orchestrators: [consumer.url] });
  const b = await bed.daemon('b');
  await consumer.waitFor('a', id);
  await eventually('b knows of it', async () =>
    (await b.models('fleet')).some((model) => model.id === id && model.nodes.includes('a')),
  );

  const file = join(a.modelsDir, id);
  let wasThere: boolean | undefined;
  const check = consumer.onHeartbeat;
  consumer.onHeartbeat = (heartbeat) => {
    check?.(heartbeat);
    if (!heartbeat.models.includes(id)) wasThere ??= existsSync(file);
  };
  const result = await runShoal(['rm', id], { api: a.api });
  assert.equal(result.code, 0, result.stderr);
  assert.equal(existsSync(file), false);
  assert.equal(wasThere, true, 'the orchestrator heard of it only after the file was gone');
  assert.equal((await a.models()).length, 0);
  await eventually('b has heard of it', async () => !(await b.models('fleet')).some((model) => model.id === id));
  assert.equal((await runShoal(['rm', id], { api: a.api })).code, 3);
  assert.deepEqual(falsehoods, []);
});
