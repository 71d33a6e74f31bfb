// The tools of the end-to-end tests, tested: a fault injector that injects nothing proves nothing.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { appendFile, mkdir, open, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { spawnOwned } from './child-process.ts';
import { sha256OfFile } from './hash-file.ts';
import { HeartbeatConsumer } from './heartbeat-consumer.ts';
import { makeGguf, makeGgufShards } from './make-gguf.ts';
import { makeLora, makeSafetensors } from './make-safetensors.ts';
import { parseMetrics, sumOf } from './metrics-text.ts';
import { mountHangable, mountSmallDisk, needsFuse, needsMount } from './mounts.ts';
import { needsNginx } from './nginx.ts';
import { randomBytesOf, writeRandomFile } from './random-body.ts';
import { TestBed } from './test-bed.ts';
import { delay, eventually } from './wait.ts';

async function bedOf(context: TestContext): Promise<TestBed> {
  return await TestBed.open({ context });
}

test('a made checkpoint has a header that adds up and is the same every time', async (t) => {
  const bed = await bedOf(t);
  for (const family of ['sd15', 'sdxl', 'flux'] as const) {
    const options = { seed: family, sizeBytes: 8 << 20, family };
    const made = await makeSafetensors(join(bed.directory, `${family}.safetensors`), options);
    const again = await makeSafetensors(join(bed.directory, 'again.safetensors'), options);
    assert.equal(made.sha256, again.sha256);
    const bytes = await readFile(made.file);
    assert.equal(bytes.length, 8 << 20);
    assert.equal(createHash('sha256').update(bytes).digest('hex'), made.sha256);
    const headerBytes = Number(bytes.readBigUInt64LE(0));
    const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerBytes)) as Record<
      string,
      { data_offsets?: [number, number] }
    >;
    const ends = Object.values(header).map((entry) => entry.data_offsets?.[1] ?? 0);
    assert.equal(8 + headerBytes + Math.max(...ends), bytes.length);
  }
});

test('a made GGUF file has as many bytes as its tensors say', async (t) => {
  const bed = await bedOf(t);
  const made = await makeGguf(join(bed.directory, 'x.gguf'), { seed: 'x', sizeBytes: 3 << 20 });
  const bytes = await readFile(made.file);
  assert.equal(bytes.toString('latin1', 0, 4), 'GGUF');
  assert.equal(bytes.readUInt32LE(4), 3);
  assert.equal(bytes.length, made.sizeBytes);
  assert.ok(made.sizeBytes > (3 << 20) - 2048 && made.sizeBytes <= 3 << 20, `${made.sizeBytes}`);
  const shards = await makeGgufShards(bed.directory, 'big', { seed: 's', sizeBytes: 1 << 20, count: 3 });
  assert.deepEqual(
    shards.map((shard) => shard.file.slice(-22)),
    ['big-00001-of-00003.gguf', 'big-00002-of-00003.gguf', 'big-00003-of-00003.gguf'].map((n) => n.slice(-22)),
  );
  assert.equal(new Set(shards.map((shard) => shard.sha256)).size, 3);
});

test('a seed gives the same bytes in one piece and in a file', async (t) => {
  const bed = await bedOf(t);
  const made = await writeRandomFile(join(bed.directory, 'a/b.bin'), { seed: 'q', bodyBytes: 9_000_001 });
  assert.equal(createHash('sha256').update(randomBytesOf('q', 9_000_001)).digest('hex'), made.sha256);
  assert.equal(await sha256OfFile(made.file), made.sha256);
});

test('the static origin serves ranges and counts them', async (t) => {
  const bed = await bedOf(t);
  const made = await makeLora(join(bed.directory, 'www/loras/a b.safetensors'), { seed: 'a' });
  const origin = await bed.origin(join(bed.directory, 'www'));
  const url = `${origin.url}loras/a%20b.safetensors`;
  const bytes = await readFile(made.file);
  const range = async (header: string): Promise<Response> => await fetch(url, { headers: { range: header } });
  const middle = await range('bytes=100-199');
  assert.equal(middle.status, 206);
  assert.equal(middle.headers.get('content-range'), `bytes 100-199/${made.sizeBytes}`);
  assert.deepEqual(Buffer.from(await middle.arrayBuffer()), bytes.subarray(100, 200));
  assert.deepEqual(Buffer.from(await (await range('bytes=-5')).arrayBuffer()), bytes.subarray(-5));
  assert.equal((await range(`bytes=${made.sizeBytes}-`)).status, 416);
  assert.equal((await fetch(`${origin.url}../support.test.ts`)).status, 404);
  assert.equal(origin.totalSent(/a b/), 105);
  const head = await fetch(url, { method: 'HEAD' });
  assert.equal(head.headers.get('content-length'), String(made.sizeBytes));
});

test('the static origin misbehaves as told', async (t) => {
  const bed = await bedOf(t);
  await writeRandomFile(join(bed.directory, 'www/f.bin'), { seed: 'f', bodyBytes: 1 << 20 });
  const origin = await bed.origin(join(bed.directory, 'www'));
  const url = `${origin.url}f.bin`;
  const expected = Buffer.from(randomBytesOf('f', 1 << 20));
  const get = async (): Promise<Buffer> =>
    Buffer.from(await (await fetch(url, { headers: { range: 'bytes=0-1048575' } })).arrayBuffer());

  origin.misbehave({ kind: 'status', status: 429, retryAfterSeconds: 2 });
  const refused = await fetch(url);
  assert.deepEqual([refused.status, refused.headers.get('retry-after')], [429, '2']);
  origin.heal();

  origin.misbehave({ kind: 'corrupt', share: 0.5 });
  const answers = [await get(), await get(), await get(), await get()];
  assert.equal(answers.filter((bytes) => !bytes.equals(expected)).length, 2);
  origin.heal();

  origin.misbehave({ kind: 'die', afterBytes: 1000 });
  await assert.rejects(get());
  origin.heal();
  origin.misbehave({ kind: 'short', missingBytes: 10 });
  await assert.rejects(get());
  origin.heal();

  origin.misbehave({ kind: 'ignore-range' });
  assert.equal((await fetch(url, { headers: { range: 'bytes=0-9' } })).status, 200);
  origin.heal();

  origin.misbehave({ kind: 'stall', afterBytes: 5000 });
  const stalled = await fetch(url);
  const reader = (stalled.body as ReadableStream<Uint8Array>).getReader();
  let received = 0;
  while (received < 5000) {
    const got = await reader.read();
    assert.equal(got.done, false);
    received += got.value.length;
  }
  assert.equal(received, 5000);
  assert.equal(await Promise.race([reader.read(), delay(300, 'silent')]), 'silent');
  await reader.cancel();
  origin.heal();

  origin.misbehave({ kind: 'slow', bytesPerSecond: 4 << 20 });
  const start = performance.now();
  assert.ok((await get()).equals(expected));
  const ms = performance.now() - start;
  assert.ok(ms > 180 && ms < 10_000, `a MiB at 4 MiB/s took ${ms} ms`);
});

test('nginx serves ranges and its bytes are counted', { skip: needsNginx }, async (t) => {
  const bed = await bedOf(t);
  await writeRandomFile(join(bed.directory, 'www/f.bin'), { seed: 'f', bodyBytes: 1 << 20 });
  const nginx = await bed.nginx(join(bed.directory, 'www'), { tls: true });
  const answer = await fetch(`${nginx.url}f.bin`, { headers: { range: 'bytes=10-19' } });
  assert.deepEqual(Buffer.from(await answer.arrayBuffer()), Buffer.from(randomBytesOf('f', 20)).subarray(10));
  await eventually('counted', async () => (await nginx.bytesSent(/f\.bin/)) === 10);
  nginx.pause();
  await assert.rejects(fetch(`${nginx.url}f.bin`, { signal: AbortSignal.timeout(300) }));
  nginx.resume();
  assert.equal((await fetch(`${nginx.url}f.bin`)).status, 200);
});

test('the directory watcher reports partial, wrong and unexpected names, and nothing else', async (t) => {
  const bed = await bedOf(t);
  const models = await bed.makeDirectory('models');
  const body = randomBytesOf('w', 500_000);
  const file = { sizeBytes: body.length, sha256: createHash('sha256').update(body).digest('hex') };
  const names = ['good.safetensors', 'dir/good.gguf', 'partial.safetensors', 'wrong.safetensors'];
  const watcher = await bed.watch(models, Object.fromEntries(names.map((name) => [name, file])));
  const place = async (name: string, bytes: Uint8Array): Promise<void> => {
    const staged = join(models, '.shoal/partial/x.part');
    await mkdir(dirname(staged), { recursive: true });
    await mkdir(dirname(join(models, name)), { recursive: true });
    await writeFile(staged, bytes);
    await rename(staged, join(models, name));
  };
  await place('good.safetensors', body);
  await place('dir/good.gguf', body);
  await eventually('seen', () => watcher.firstSeen('dir/good.gguf'));
  await place('wrong.safetensors', body.toReversed());
  await place('stray.bin', body);
  await place('.shoal/partial/bad.safetensors', body);
  await using slow = await open(join(models, 'partial.safetensors'), 'w');
  await slow.write(body.subarray(0, 1000));
  await delay(100);
  await slow.write(body.subarray(1000));
  await watcher.stop();
  const faulty = new Set(watcher.violations.map((violation) => violation.path));
  assert.deepEqual([...faulty].sort(), [
    '.shoal/partial/bad.safetensors',
    'partial.safetensors',
    'stray.bin',
    'wrong.safetensors',
  ]);
  assert.ok(watcher.listings > 10);
});

test('the heartbeat consumer answers as an orchestrator does and notes what one would refuse', async () => {
  await using consumer = await HeartbeatConsumer.start({ token: 's3cret' });
  const post = async (path: string, body: unknown, token = 's3cret'): Promise<number> => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    return (await fetch(`${consumer.url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })).status;
  };
  const beat = { timestamp: '2026-01-31T12:00:00.000Z', pools: [], models_available: ['m'], models_incoming: [] };
  assert.equal(await post('/v2/nodes/n1/heartbeat', beat), 404);
  const registration = {
    node_id: 'n1',
    machine_id: 'x',
    address: 'http://127.0.0.1:1',
    pools: [],
    capabilities: { gpus: [] },
  };
  assert.equal(await post('/v2/nodes/register', registration, 'wrong'), 401);
  assert.equal(await post('/v2/nodes/register', registration), 200);
  assert.equal(await post('/v2/nodes/n1/heartbeat', beat), 200);
  assert.ok((await consumer.waitFor('n1', 'm')) > 0);
  assert.deepEqual(consumer.violations, []);
  consumer.forget('n1');
  assert.equal(await post('/v2/nodes/n1/heartbeat', beat), 404);
  await post('/v2/nodes/register', registration);
  await post('/v2/nodes/n1/heartbeat', { ...beat, timestamp: 'yesterday', models_incoming: [{ id: 'm' }] });
  assert.equal(consumer.violations.length, 2);
  consumer.failWith = 503;
  assert.equal(await post('/v2/nodes/n1/heartbeat', beat), 503);
});

test('metrics are read with their labels', () => {
  const samples = parseMetrics('# HELP a b\na_total{source="peer",id="x\\"y"} 3\na_total{source="origin"} 4\nb 1e3\n');
  assert.equal(sumOf(samples, 'a_total'), 7);
  assert.equal(sumOf(samples, 'a_total', { source: 'peer', id: 'x"y' }), 3);
  assert.equal(sumOf(samples, 'b'), 1000);
});

test('a small disk is really full', { skip: needsMount }, async (t) => {
  const bed = await bedOf(t);
  const disk = bed.own(await mountSmallDisk(join(bed.directory, 'disk'), 1 << 20));
  await assert.rejects(writeFile(join(disk.directory, 'f'), new Uint8Array(2 << 20)), { code: 'ENOSPC' });
});

test('a hung mount hangs whoever touches it and nobody else', { skip: needsFuse }, async (t) => {
  const bed = await bedOf(t);
  const source = await bed.makeDirectory('source');
  await writeFile(join(source, 'f'), 'hello');
  const mount = bed.own(await mountHangable(source, join(bed.directory, 'mnt')));
  assert.equal(await readFile(join(mount.directory, 'f'), 'utf8'), 'hello');
  mount.hang();
  await appendFile(join(source, 'f'), '!');
  const victim = spawnOwned(['cat', join(mount.directory, 'f')], { stdio: 'ignore' });
  await delay(300);
  assert.ok(victim.isRunning());
  mount.resume();
  assert.equal((await victim.exited).code, 0);
});
