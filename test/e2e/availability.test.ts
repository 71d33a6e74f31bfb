import assert from 'node:assert/strict';
import { existsSync, statSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { AvailabilityDocument } from '../../src/orchestrator/availability-documents.ts';
import type { DaemonProcess } from '../support/daemon-process.ts';
import type { HeartbeatConsumer } from '../support/heartbeat-consumer.ts';
import { makeLora } from '../support/make-safetensors.ts';
import { TestBed } from '../support/test-bed.ts';
import { eventually } from '../support/wait.ts';

interface Entry {
  readonly id: string;
  readonly digest: string;
  readonly status: string;
  readonly state: string;
  readonly nodes: readonly string[];
  readonly aliases: readonly string[];
  readonly last_verified_ms: number | null;
  readonly problem?: { readonly code: string; readonly message: string };
}

const QUICK = ['--settle', '100ms'];

describe('what is where', { timeout: 240_000 }, () => {
  let bed: TestBed;
  let consumer: HeartbeatConsumer;
  let a: DaemonProcess;
  let b: DaemonProcess;
  let made = 0;

  before(async () => {
    bed = await TestBed.open();
    consumer = await bed.consumer();
    a = await bed.daemon('a', { orchestrators: [consumer.url], args: QUICK });
    b = await bed.daemon('b', { orchestrators: [consumer.url], args: QUICK });
  });
  after(() => bed[Symbol.asyncDispose]());

  /** A file that nobody else has, put beside the models under that name. */
  async function place(daemon: DaemonProcess, name: string): Promise<{ digest: string; file: string }> {
    made += 1;
    const lora = await makeLora(join(bed.directory, `${made}.tmp`), { seed: `availability ${made}` });
    await rename(lora.file, join(daemon.modelsDir, name));
    await consumer.waitFor(daemon.name, name, { timeoutMs: 30_000 });
    return { digest: `sha256:${lora.sha256}`, file: join(daemon.modelsDir, name) };
  }

  const entryOf = (daemon: DaemonProcess, id: string): Promise<Entry> =>
    daemon.json<Entry>(`/v2/catalog/models/${encodeURIComponent(id)}`);

  for (const [how, path] of [
    ['rm', '/v1/models/gone.safetensors'],
    ['the catalog', '/v2/catalog/models/gone.safetensors'],
  ] as const) {
    test(`deleted by ${how}, a model is withdrawn everywhere while its file is still there`, async () => {
      const { file } = await place(a, 'gone.safetensors');
      await eventually('b hears of it', async () => (await b.model('gone.safetensors')).nodes.includes('a'));
      const seen: { there: boolean; claimed: boolean }[] = [];
      consumer.onHeartbeat = ({ node, models }) => {
        if (node !== 'a') return;
        seen.push({ there: existsSync(file) && statSync(file).size > 0, claimed: models.includes('gone.safetensors') });
      };
      assert.equal((await a.request('DELETE', path)).status, 204);
      consumer.onHeartbeat = undefined;
      assert.equal(existsSync(file), false);
      const withdrawal = seen.find(({ claimed }) => !claimed);
      assert.deepEqual(withdrawal, { there: true, claimed: false }, JSON.stringify(seen));
      await eventually('b hears that it is gone', async () => {
        const { nodes } = await b.model('gone.safetensors').catch(() => ({ nodes: [] as string[] }));
        return !nodes.includes('a');
      });
    });
  }

  test('a slow orchestrator has the withdrawal before the file goes, and the log says that it waits', async () => {
    const { file } = await place(a, 'slow.safetensors');
    let thereWhenHeard: boolean | undefined;
    consumer.onHeartbeat = ({ node, models }) => {
      if (node === 'a' && !models.includes('slow.safetensors')) thereWhenHeard ??= existsSync(file);
    };
    consumer.answerAfterMs = 3_000;
    const startMs = performance.now();
    assert.equal((await a.request('DELETE', '/v1/models/slow.safetensors')).status, 204);
    const ms = performance.now() - startMs;
    consumer.answerAfterMs = 0;
    consumer.onHeartbeat = undefined;
    assert.equal(thereWhenHeard, true);
    assert.ok(ms >= 2_900 && ms < 4_500, `${ms} ms`);
    assert.ok(a.log.lines.some(({ msg }) => /deletion waits for an orchestrator/.test(msg)));
  });

  test('registering what is here verifies it and gives it the name, in heartbeats and in the fleet', async () => {
    const { digest } = await place(a, 'here.safetensors');
    const answer = await a.request<Entry>('POST', '/v2/catalog/models', {
      id: 'team/llama 8b',
      digest,
      source_url: 's3://x/y',
    });
    assert.equal(answer.status, 201);
    await consumer.waitFor('a', 'team/llama 8b');
    const entry = await entryOf(a, 'team/llama 8b');
    assert.deepEqual([entry.status, entry.digest, entry.nodes], ['available', digest, ['a']]);
    assert.ok(entry.last_verified_ms !== null, 'every byte was read');
    await eventually('b knows the name', async () => (await entryOf(b, 'team/llama 8b')).nodes[0] === 'a');
    const other = await place(a, 'other.safetensors');
    const clash = await a.request('POST', '/v2/catalog/models', { id: 'here.safetensors', digest: other.digest });
    assert.equal(clash.status, 409);
    // The name goes with the bytes, and not with the file.
    await writeFile(join(a.modelsDir, 'here.safetensors'), 'no longer what it was');
    await consumer.waitFor('a', 'team/llama 8b', { gone: true });
    await a.request('DELETE', `/v2/catalog/models/${encodeURIComponent('team/llama 8b')}`);
    assert.equal((await a.request('GET', `/v2/catalog/models/${encodeURIComponent('team/llama 8b')}`)).status, 404);
  });

  test('registering what a peer has fetches it from there, whatever the source_url', async () => {
    const { digest } = await place(a, 'peer.safetensors');
    await eventually('b hears of it', async () => (await b.model('peer.safetensors')).nodes.includes('a'));
    await b.json('/v2/catalog/models', 'POST', { id: 'by-name', digest, source_url: 'http://127.0.0.1:1/never' });
    await consumer.waitFor('b', 'by-name', { timeoutMs: 30_000 });
    assert.ok(existsSync(join(b.modelsDir, 'peer.safetensors')));
    assert.equal((await b.request('DELETE', '/v2/catalog/models/by-name')).status, 204);
    assert.equal(existsSync(join(b.modelsDir, 'peer.safetensors')), false);
  });

  test('registering what nobody has fetches it from its source_url, and takes it with the right digest only', async () => {
    const folder = await bed.makeDirectory('web');
    const origin = await bed.origin(folder);
    const good = await makeLora(join(folder, 'good.safetensors'), { seed: 'web' });
    const register = (id: string, sha256: string, url: string) =>
      b.json<Entry>('/v2/catalog/models', 'POST', { id, digest: `sha256:${sha256}`, source_url: url });
    await register('from-web', good.sha256, `${origin.url}good.safetensors?signature=secret`);
    await consumer.waitFor('b', 'from-web', { timeoutMs: 30_000 });
    assert.equal((await entryOf(b, 'from-web')).digest, `sha256:${good.sha256}`);
    assert.ok(existsSync(join(b.modelsDir, 'good.safetensors')));
    assert.ok(!b.log.lines.some((line) => JSON.stringify(line).includes('secret')), 'queries hold secrets');

    await makeLora(join(folder, 'bad.safetensors'), { seed: 'another' });
    const refusals: [string, string, RegExp][] = [
      ['lie', `${origin.url}bad.safetensors`, /gave bytes with sha256:/],
      ['metadata', 'http://169.254.169.254/latest/x.gguf', /no address that models are fetched from/],
      ['local-file', 'file:///etc/hostname.gguf', /below no origin/],
      ['bucket', 's3://bucket/x.gguf', /cannot be fetched by s3:/],
      ['absent', `${origin.url}none.gguf`, /HTTP 404/],
    ];
    for (const [id, url, message] of refusals) {
      const sha256 = good.sha256.replace(/^./, (digit) => (digit === '0' ? '1' : '0'));
      await register(id, sha256, url);
      const { problem } = await eventually(`${id} is refused`, async () => {
        const entry = await entryOf(b, id);
        return entry.problem?.message.match(message) != null && entry;
      });
      assert.ok(problem !== undefined);
      assert.equal((await b.request('DELETE', `/v2/catalog/models/${id}`)).status, 204);
    }
    assert.deepEqual(
      (await b.models()).map(({ id }) => id).filter((id) => id.startsWith('bad')),
      [],
    );
    assert.equal((await b.request('DELETE', '/v2/catalog/models/from-web')).status, 204);
  });

  test('a retired model is not reported any more after its deadline, here and by others, over a restart', async () => {
    await place(a, 'old.safetensors');
    const state = '/v2/catalog/models/old.safetensors/state';
    assert.equal((await a.request('POST', state, { state: 'Retired', deadline_ms: 1_500 })).status, 202);
    assert.ok((await entryOf(a, 'old.safetensors')).state === 'Active');
    assert.ok(consumer.available('a').includes('old.safetensors'), 'not before the deadline');
    await consumer.waitFor('a', 'old.safetensors', { gone: true, timeoutMs: 4_000 });
    const availableIn = async (daemon: DaemonProcess): Promise<boolean> => {
      const document = await daemon.json<AvailabilityDocument>('/v2/catalog/availability');
      return document.nodes['a']?.models.includes('old.safetensors') === true;
    };
    assert.equal(await availableIn(a), false);
    await eventually('b says so too', async () => !(await availableIn(b)));
    assert.equal((await entryOf(a, 'old.safetensors')).state, 'Retired');
    assert.deepEqual((await b.model('old.safetensors')).nodes, ['a'], 'it can be fetched as before');
    const heard = consumer.of('a').length;
    await a.restart();
    await eventually('it reports again', () => consumer.of('a').length > heard);
    assert.ok(
      !consumer
        .of('a')
        .slice(heard)
        .some(({ models }) => models.includes('old.safetensors')),
    );
    assert.equal((await a.request('POST', state, { state: 'Active' })).status, 202);
    await consumer.waitFor('a', 'old.safetensors');
  });

  test('verify reads every byte, and every daemon gives the same availability', async () => {
    await place(a, 'checked.safetensors');
    assert.equal((await a.request('POST', '/v2/catalog/models/checked/verify')).status, 202);
    await eventually('verified', async () => (await entryOf(a, 'checked')).last_verified_ms !== null);
    const [ofA, ofB] = await eventually('both say the same', async () => {
      const documents = await Promise.all(
        [a, b].map((one) => one.json<AvailabilityDocument>('/v2/catalog/availability')),
      );
      return JSON.stringify(documents[0]) === JSON.stringify(documents[1]) ? documents : undefined;
    });
    assert.deepEqual(Object.keys(ofA?.nodes ?? {}), ['a', 'b']);
    assert.deepEqual(
      ofB?.nodes['a']?.pools.map(({ pool_id }) => pool_id),
      ['a'],
    );
    assert.ok(ofA?.single_node_models.includes('checked.safetensors'));
    await b.kill();
    await eventually('a sees that b is offline', async () => {
      const { nodes } = await a.json<AvailabilityDocument>('/v2/catalog/availability');
      return nodes['b']?.online === false && nodes['b'].models.length === 0;
    });
    await rm(join(a.modelsDir, 'checked.safetensors'));
    assert.deepEqual(consumer.violations, []);
  });
});
