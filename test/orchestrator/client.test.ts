import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { OrchestratorClient } from '../../src/orchestrator/client.ts';
import { ShoalError } from '../../src/util/errors.ts';
import { serveOrchestrator } from './api-fixture.ts';
import { registration } from './fleet-fixture.ts';

const { signal } = new AbortController();
const digest = `sha256:${'a'.repeat(64)}`;
const beat = (models: string[]) => ({
  timestamp: new Date(Date.now() + 1_000).toISOString(),
  pools: [
    {
      ...{ pool_id: 'pool-0', ready: true, draining: false, slots_free: 1, slots_total: 1, vram_free_bytes: 0 },
      models_available: models,
    },
  ],
});

test('the client speaks for a node, and hears of it', async (t) => {
  const { client } = await serveOrchestrator(t);
  await assert.rejects(client.heartbeat('gpu-1', beat([]), signal), { code: 'not-found' });
  const watching = new AbortController();
  const events = client.events(watching.signal);
  const first = events.next();
  await new Promise((resolve) => setTimeout(resolve, 100));
  await client.register(registration('gpu-1'), signal);
  assert.equal((await client.heartbeat('gpu-1', beat(['x.gguf']), signal)).next_heartbeat_ms, 10_000);
  const { value } = (await first) as { value: { event: string; data: { node_id: string } } };
  assert.deepEqual([value.event, value.data.node_id], ['node', 'gpu-1']);
  watching.abort();
  await assert.rejects(async () => {
    for await (const _ of events) assert.ok(_);
  });
  assert.equal((await client.node('gpu-1', signal)).status, 'Online');
  assert.deepEqual((await client.fleet(signal)).models, [{ id: 'x.gguf' }]);
  const wrong = { ...beat([]), pools: [{ ...beat([]).pools[0]!, slots_free: -1 }] };
  await assert.rejects(client.heartbeat('gpu-1', wrong, signal), (error) => {
    assert.ok(error instanceof ShoalError);
    assert.deepEqual([error.code, error.fields['field']], ['invalid', 'pools[0].slots_free']);
    return true;
  });
  await client.deleteNode('gpu-1', signal);
  assert.deepEqual(await client.nodes({ all: true }, signal), []);
});

test('the client keeps the catalog and the leases', async (t) => {
  const { client, fleet } = await serveOrchestrator(t);
  await fleet.join('gpu-1', [{ models_available: ['b/x y.gguf'], slots_free: 1, slots_total: 1 }]);
  for (const id of ['b/x y.gguf', 'a.gguf']) await client.registerModel({ id, digest }, signal);
  const ids: string[] = [];
  for await (const { id } of client.models(signal)) ids.push(id);
  assert.deepEqual(ids, ['a.gguf', 'b/x y.gguf']);
  assert.deepEqual((await client.model('b/x y.gguf', signal)).nodes, ['gpu-1']);
  assert.deepEqual((await client.verifyModel('b/x y.gguf', signal)).unknown, ['gpu-1']);
  assert.equal((await client.setModelState('a.gguf', { state: 'Retired' }, signal)).state, 'Retired');
  await client.deleteModel('a.gguf', signal);
  await assert.rejects(client.model('a.gguf', signal), { code: 'not-found' });
  const placed = await client.place({ model: 'b/x y.gguf' }, signal);
  const [pool] = placed.kind === 'placed' ? placed.candidates : [];
  const lease = await client.lease({ node_id: 'gpu-1', pool_id: pool?.pool_id ?? '' }, signal);
  assert.deepEqual(await client.leases(signal), [lease]);
  await client.release(lease.lease_id, {}, signal);
  await client.release(lease.lease_id, {}, signal);
  assert.deepEqual(await client.leases(signal), []);
});

test('a proxy whose orchestrator is away is nobody who answers, and no defect of ours', async (t) => {
  const server = createServer((_, response) =>
    response.writeHead(502, { 'content-type': 'text/html' }).end('<h1>Bad gateway</h1>'),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const client = new OrchestratorClient({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
  await assert.rejects(client.nodes({ all: true }, signal), { code: 'unreachable' });
  await assert.rejects(client.events(signal).next(), { code: 'unreachable' });
});
