import assert from 'node:assert/strict';
import { appendFile, mkdir, readFile, rename } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { DaemonProcess } from '../support/daemon-process.ts';
import { makeDiffusersDirectory } from '../support/make-directory-model.ts';
import { makeGguf, makeGgufShards } from '../support/make-gguf.ts';
import { makeLora, makeSafetensors } from '../support/make-safetensors.ts';
import type { MadeFile } from '../support/random-body.ts';
import { digestsIn, TestBed } from '../support/test-bed.ts';
import { delay, eventually } from '../support/wait.ts';
import { checkClaims, type ExpectedModel, reportedAfterMs } from './claims.ts';

const MIB = 1 << 20;

const under = (root: string, made: readonly MadeFile[]): ExpectedModel =>
  Object.fromEntries(made.map((file) => [relative(root, file.file), file]));
const digestsOf = (model: ExpectedModel): Record<string, string> =>
  Object.fromEntries(Object.entries(model).map(([path, { sha256 }]) => [path, sha256]));

test('a directory of files and a set of shards are reported whole or not at all', { timeout: 120_000 }, async (t) => {
  const bed = await TestBed.open({ context: t });
  const root = await bed.makeDirectory('a/models');
  const pipeline = under(
    root,
    await makeDiffusersDirectory(join(root, 'diffusers/ghibli'), { seed: 'pipeline', sizeBytes: 12 * MIB }),
  );
  const shards = under(
    root,
    await makeGgufShards(join(root, 'llm'), 'big', { seed: 'shards', sizeBytes: 4 * MIB, count: 3 }),
  );
  const consumer = await bed.consumer();
  const models = { 'diffusers/ghibli': pipeline, 'llm/big.gguf': shards };
  const falsehoods = checkClaims(consumer, { daemons: () => bed.daemons, models });
  const a = await bed.daemon('a', { orchestrators: [consumer.url] });
  const b = await bed.daemon('b', { orchestrators: [consumer.url] });
  const watcher = await bed.watch(b.modelsDir, { ...pipeline, ...shards });

  for (const [id, files] of Object.entries(models)) {
    const inA = await a.waitForModel(id);
    assert.deepEqual(inA.files.map(({ path }) => path).sort(), Object.keys(files).sort());
    await b.want(id);
    const inB = await b.waitForModel(id, 'installed', 60_000);
    assert.equal(inB.digest, inA.digest);
    await consumer.waitFor('b', id);
    const filesSeenAtMs = Object.keys(files).map((path) => watcher.firstSeen(path));
    const afterMs = reportedAfterMs(consumer, { node: 'b', model: id, filesSeenAtMs });
    assert.ok(afterMs <= 1_000, `${id} was reported ${afterMs} ms after its last file`);
  }
  assert.deepEqual(await digestsIn(b.modelsDir), { ...digestsOf(pipeline), ...digestsOf(shards) });
  // Nobody was told of a part as if it were a model: no single file of them is ever a name.
  const named = new Set(consumer.heartbeats.flatMap((heartbeat) => heartbeat.models));
  assert.deepEqual(
    [...named].filter((name) => /00001|model_index|diffusion_pytorch|config/.test(name)),
    [],
  );
  await watcher.stop();
  assert.deepEqual(watcher.violations, []);
  assert.deepEqual(falsehoods, []);
  assert.deepEqual(consumer.violations, []);

  // A shard too few is no model.
  await rename(join(root, 'llm/big-00002-of-00003.gguf'), join(bed.directory, 'away.gguf'));
  await consumer.waitFor('a', 'llm/big.gguf', { gone: true });
  assert.equal(
    (await a.models()).some(({ id, state }) => id === 'llm/big.gguf' && state === 'installed'),
    false,
  );
});

test('what lies on a mount that nobody has published is hashed while it is copied', { timeout: 120_000 }, async (t) => {
  const bed = await TestBed.open({ context: t });
  const nas = await bed.makeDirectory('nas');
  const single = await makeSafetensors(join(nas, 'checkpoints/c.safetensors'), { seed: 'c', sizeBytes: 24 * MIB });
  const pipeline = under(
    nas,
    await makeDiffusersDirectory(join(nas, 'diffusers/p'), { seed: 'p', sizeBytes: 4 * MIB }),
  );
  const consumer = await bed.consumer();
  const expected = { 'checkpoints/c.safetensors': single, ...pipeline };
  const falsehoods = checkClaims(consumer, {
    daemons: () => bed.daemons,
    models: { 'checkpoints/c.safetensors': { 'checkpoints/c.safetensors': single }, 'diffusers/p': pipeline },
  });
  const origins = [pathToFileURL(nas).href];
  const a = await bed.daemon('a', { origins, orchestrators: [consumer.url] });
  const b = await bed.daemon('b', { origins, orchestrators: [consumer.url] });
  const watcher = await bed.watch(a.modelsDir, expected);
  for (const id of ['c', 'diffusers/p']) await a.want(id);
  for (const id of ['c', 'diffusers/p']) await a.waitForModel(id, 'installed', 60_000);
  assert.deepEqual(await digestsIn(a.modelsDir), digestsOf(expected));
  await consumer.waitFor('a', 'checkpoints/c.safetensors');
  await consumer.waitFor('a', 'diffusers/p');

  // The first to copy it knows its digests: for the second it is a model like any other, and comes from the first.
  await b.want('c');
  assert.equal((await b.waitForModel('c', 'installed', 60_000)).digest, `sha256:${single.sha256}`);
  const [transfer] = await b.transfers();
  const fromA = transfer?.sources.find(({ id }) => id === a.peerId);
  assert.equal(fromA?.bytes, single.sizeBytes);
  await watcher.stop();
  assert.deepEqual(watcher.violations, []);
  assert.deepEqual(falsehoods, []);
});

test('a file that is dropped in is announced when it is complete, however slowly it comes', {
  timeout: 120_000,
}, async (t) => {
  const bed = await TestBed.open({ context: t });
  const consumer = await bed.consumer();
  const a = await bed.daemon('a', { orchestrators: [consumer.url] });
  const b = await bed.daemon('b');
  const aside = await bed.makeDirectory('aside');
  // GGUF says nothing of its own length: only patience tells that it is complete.
  const slow = await makeGguf(join(aside, 'slow.gguf'), { seed: 'slow', sizeBytes: 3 * MIB });
  const quick = await makeLora(join(aside, 'quick.safetensors'), { seed: 'quick' });
  const falsehoods = checkClaims(consumer, {
    daemons: () => bed.daemons,
    models: {
      'llm/slow.gguf': { 'llm/slow.gguf': slow },
      'loras/quick.safetensors': { 'loras/quick.safetensors': quick },
    },
  });
  const inFleet = async (daemon: DaemonProcess, id: string): Promise<boolean> =>
    (await daemon.models('fleet')).some((model) => model.id === id && model.nodes.length > 0);

  await mkdir(join(a.modelsDir, 'llm'), { recursive: true });
  const bytes = await readFile(slow.file);
  const steps = 12;
  for (let step = 0; step < steps; step += 1) {
    const [from, to] = [step, step + 1].map((n) => Math.round((bytes.length * n) / steps));
    await appendFile(join(a.modelsDir, 'llm/slow.gguf'), bytes.subarray(from, to));
    assert.equal(await inFleet(b, 'llm/slow.gguf'), false, `announced after ${step + 1} of ${steps} steps`);
    await delay(500);
  }
  const writtenAtMs = Date.now();
  const reportedAtMs = await consumer.waitFor('a', 'llm/slow.gguf');
  assert.ok(reportedAtMs - writtenAtMs >= 1_000, 'it had no time to settle');
  assert.equal((await a.model('llm/slow.gguf')).digest, `sha256:${slow.sha256}`);
  await eventually('b knows of it', () => inFleet(b, 'llm/slow.gguf'));

  // As a download manager does it: written elsewhere, renamed into place.
  await mkdir(join(a.modelsDir, 'loras'), { recursive: true });
  await rename(quick.file, join(a.modelsDir, 'loras/quick.safetensors'));
  await consumer.waitFor('a', 'loras/quick.safetensors');
  await eventually('b knows of it', () => inFleet(b, 'loras/quick.safetensors'));
  assert.deepEqual(falsehoods, []);
});
