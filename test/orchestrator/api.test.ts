import assert from 'node:assert/strict';
import { test } from 'node:test';
import { orchestratorExamples } from '../../src/api/orchestrator/examples.ts';
import type { HeartbeatPool } from '../../src/orchestrator/documents.ts';
import type { FleetDocument } from '../../src/orchestrator/fleet-documents.ts';
import { ShoalError } from '../../src/util/errors.ts';
import { serveOrchestrator } from './api-fixture.ts';
import { here, recorded, registration } from './fleet-fixture.ts';

const signal = new AbortController().signal;
const digest = `sha256:${'a'.repeat(64)}`;
type Json = Readonly<Record<string, unknown>>;
const json = async (answer: Response): Promise<Json> => (await answer.json()) as Json;

test('the node protocol as upstream speaks it, word for word', async (t) => {
  const { request, post } = await serveOrchestrator(t);
  const heartbeat = recorded('upstream-heartbeat-with-models');
  const early = await post('/v2/nodes/gpu-node-1/heartbeat', heartbeat);
  assert.equal(early.status, 404);
  const { success, node_id } = await json(early);
  assert.deepEqual([success, node_id], [false, 'gpu-node-1']);
  const registered = await post('/v2/nodes/register', recorded('upstream-register'));
  assert.equal(registered.status, 200);
  assert.deepEqual(await json(registered), { success: true, message: 'registered', node_id: 'gpu-node-1' });
  assert.deepEqual(await json(await request('/v2/nodes')), { nodes: [], count: 0 }, 'not before its first heartbeat');
  const beaten = await post('/v2/nodes/gpu-node-1/heartbeat', heartbeat);
  assert.deepEqual([beaten.status, await json(beaten)], [200, { success: true, next_heartbeat_ms: 10_000 }]);
  const { nodes, count } = (await json(await request('/v2/nodes'))) as { nodes: Json[]; count: number };
  const [node] = nodes;
  assert.deepEqual([count, nodes.length, node?.['status']], [1, 1, 'Online']);
  for (const [field, value] of Object.entries(recorded('upstream-register') as object)) {
    assert.deepEqual(node?.[field], value, field);
  }
  assert.equal(typeof node?.['registered_at_ms'], 'number');
  assert.equal(typeof node?.['last_heartbeat_ms'], 'number');
  const gone = () => request('/v2/nodes/gpu-node-1', { method: 'DELETE' });
  assert.deepEqual([(await gone()).status, (await gone()).status], [204, 404]);
});

test('a wrong document is answered with a problem that names the field, in the shape that senders read', async (t) => {
  const { request, post, fleet } = await serveOrchestrator(t);
  const answer = await post('/v2/nodes/register', { ...registration('n'), capabilities: {} });
  assert.equal(answer.status, 400);
  assert.match(answer.headers.get('content-type') ?? '', /^application\/problem\+json/);
  const problem = await json(answer);
  assert.deepEqual(
    [problem['field'], problem['success'], problem['node_id'], problem['code']],
    ['capabilities.gpus', false, 'n', 'invalid'],
  );
  assert.equal(problem['message'], problem['detail']);
  await fleet.join('n');
  const wrong = await post('/v2/nodes/n/heartbeat', { timestamp: 'never', pools: [] });
  assert.equal((await json(wrong))['field'], 'timestamp');
  assert.notEqual(fleet.registry.get('n').faultMs, undefined, 'it is remembered who sends nonsense');
  assert.equal((await post('/v2/nodes/n/heartbeat', '{"timestamp": ')).status, 400);
  assert.equal((await post('/v2/nodes/n/heartbeat', 'x', { 'content-type': 'application/xml' })).status, 415);
  assert.equal((await request('/v2/nodes/register')).status, 404, 'a node called "register" is none');
  assert.equal((await request('/v2/placement')).status, 405);
  const unknown = await json(await post('/v2/placement', { model: 'm', strategy: 'best' }));
  assert.match(String(unknown['detail']), /^strategy must be one of round-robin, least-loaded, /);
  const typo = await json(await post('/v2/placement', { modle: 'm' }));
  assert.deepEqual([typo['field'], typo['detail']], ['modle', 'modle is not known here']);
});

test('a heartbeat that is too large is refused before it is read', async (t) => {
  const { post, fleet } = await serveOrchestrator(t);
  await fleet.join('n');
  const names = Array.from({ length: 1_000_000 }, (_, index) => `model-${index}`);
  const large = await post('/v2/nodes/n/heartbeat', {
    timestamp: '2026-01-01T00:00:00Z',
    pools: [],
    models_available: names,
  });
  assert.equal(large.status, 413);
  const { code, remedy } = await json(large);
  assert.deepEqual([code, remedy], ['too-large', 'Here a body has at most 8 MiB.']);
  const elsewhere = await post('/v2/placement', { model: 'x'.repeat(70_000) });
  assert.equal((await json(elsewhere))['remedy'], 'Here a body has at most 64 KiB.');
  const many = await post('/v2/nodes/n/heartbeat', {
    ...{ timestamp: '2026-01-01T00:00:00Z', pools: [], models_available: names.map(() => 'm') },
  });
  assert.equal(many.status, 400);
  assert.match(String((await json(many))['detail']), /models_available has 1000000 entries/);
  assert.equal(fleet.registry.index.size, 1, 'what it said before still holds');
});

test('placement: candidates and a lease, or the reasons of all and where it could run soonest', async (t) => {
  const { client, fleet } = await serveOrchestrator(t);
  await fleet.join('a', [{ engine: 'llamacpp', vram_free_bytes: 7 }]);
  const placed = await client.place({ model: 'm', lease_ms: 5_000 }, signal);
  if (placed.kind !== 'placed') assert.fail(placed.detail);
  const [best] = placed.candidates;
  assert.deepEqual(best, {
    ...{ node_id: 'a', pool_id: 'pool-0', address: 'http://a:9200', engine: 'llamacpp', slots_free: 0, slots_total: 1 },
    ...{ vram_free_bytes: 7, priority: 1, reason: 'the least loaded, 1 of 1 slots free' },
  });
  assert.equal((placed.lease?.expires_at_ms ?? 0) - (placed.lease?.granted_at_ms ?? 0), 5_000);
  await fleet.join('b', [{ models_available: [] }]);
  const incoming = { id: 'm', digest, bytes_total: 9, bytes_missing: 4, eta_ms: 1_234 };
  fleet.beat('b', [{ models_available: [] }], { models_incoming: [incoming] });
  const refused = await client.place({ model: 'm' }, signal);
  if (refused.kind !== 'refused') assert.fail('it was placed');
  assert.deepEqual(refused.refused, [
    { node_id: 'a', pool_id: 'pool-0', reason: 'leased' },
    { node_id: 'b', pool_id: 'pool-0', reason: 'model-missing' },
  ]);
  assert.deepEqual(refused.refused_counts, { leased: 1, 'model-missing': 1 });
  assert.deepEqual(refused.soonest, {
    ...{ node_id: 'b', pool_id: 'pool-0', address: 'http://b:9200', in_ms: 1_234, because: 'incoming' },
  });
  const conflict = (error: unknown) => error instanceof ShoalError && error.code === 'conflict';
  await assert.rejects(client.lease({ node_id: 'a', pool_id: 'pool-0' }, signal), conflict);
  await client.release(placed.lease?.lease_id ?? '', { tookMs: 12 }, signal);
  await client.release(placed.lease?.lease_id ?? '', {}, signal);
  assert.equal((await client.lease({ node_id: 'a', pool_id: 'pool-0' }, signal)).node_id, 'a');
});

test('a placement that waits is answered when a pool can take it', async (t) => {
  const { client, fleet } = await serveOrchestrator(t);
  const waiting = client.place({ models: ['m'], max_wait_ms: 60_000 }, signal);
  while (fleet.orchestrator.queue.size === 0) await new Promise((resolve) => setImmediate(resolve));
  await fleet.join('n');
  assert.equal((await waiting).kind, 'placed');
});

test('availability is the same document whole and in pages, and is not sent twice', async (t) => {
  const { client, fleet, request } = await serveOrchestrator(t);
  const pools = (node: number): Partial<HeartbeatPool>[] => [
    { models_available: ['all', `only-${node}`] },
    { models_available: ['all'], ready: false },
  ];
  for (let node = 0; node < 7; node += 1) await fleet.join(`n${node}`, pools(node));
  const whole = await client.availability(signal);
  assert.deepEqual(whole.nodes['n3'], {
    ...{ node_id: 'n3', address: 'http://n3:9200', online: true, models: ['all', 'only-3'] },
    pools: [
      { pool_id: 'pool-0', ready: true, models: ['all', 'only-3'] },
      { pool_id: 'pool-1', ready: false, models: ['all'] },
    ],
  });
  assert.deepEqual([whole.total_models, whole.replicated_models], [8, ['all']]);
  assert.deepEqual(
    whole.single_node_models,
    [0, 1, 2, 3, 4, 5, 6].map((node) => `only-${node}`),
  );
  const paged = [];
  for await (const node of client.nodesAvailability({ pageSize: 3 }, signal)) paged.push(node);
  assert.deepEqual(paged, Object.values(whole.nodes));
  const first = await request('/v2/catalog/availability');
  const etag = first.headers.get('etag') ?? '';
  await first.arrayBuffer();
  const again = (tag = etag) => request('/v2/catalog/availability', { headers: { 'if-none-match': tag } });
  assert.equal((await again()).status, 304);
  assert.equal((await again(`W/${etag}`)).status, 304, 'a proxy that compresses makes it weak');
  fleet.beat('n0', pools(0));
  assert.equal((await again()).status, 304, 'a heartbeat that says the same changes nothing');
  fleet.beat('n0', pools(1));
  assert.equal((await again()).status, 200);
});

test('the example of a placement is what is really answered', async (t) => {
  const { post, fleet } = await serveOrchestrator(t);
  await fleet.registry.register(registration('gpu-1', { address: 'http://10.0.0.2:9200' }), here);
  const slots = { slots_free: 2, slots_total: 2, vram_free_bytes: 12_000_000_000 };
  fleet.beat('gpu-1', [{ ...slots, engine: 'llamacpp', models_available: ['llama-3.1-8b'] }]);
  const { body, answer } = orchestratorExamples['POST /v2/placement'] as { body: object; answer: Json };
  const real = await json(await post('/v2/placement', body));
  assert.deepEqual(real['candidates'], answer['candidates']);
});

test('the catalog: register, list, get, verify, retire, delete', async (t) => {
  const { request, post, client, fleet } = await serveOrchestrator(t);
  const id = 'loras/new style.safetensors';
  const path = '/v2/catalog/models/loras/new%20style.safetensors';
  assert.deepEqual([(await post('/v2/catalog/models', {})).status, (await request(path)).status], [400, 404]);
  assert.equal((await json(await post('/v2/catalog/models', {})))['error'], 'id required');
  assert.equal((await json(await request(path)))['error'], 'not found');
  const body = { id, digest, source_url: 's3://bucket/new.safetensors', labels: ['ignored'] };
  assert.equal((await post('/v2/catalog/models', body)).status, 201);
  assert.equal((await post('/v2/catalog/models', body)).status, 201, 'the same again');
  assert.equal((await post('/v2/catalog/models', { ...body, digest: `sha256:${'b'.repeat(64)}` })).status, 409);
  assert.equal((await post('/v2/catalog/models', { ...body, digest: 'sha256:abc123...' })).status, 400);
  await fleet.join('n', [{ models_available: [id] }]);
  const model = await json(await request(path));
  assert.deepEqual(
    [model['id'], model['digest'], model['source_url'], model['state'], model['last_verified_ms'], model['nodes']],
    [id, digest, body.source_url, 'Active', null, ['n']],
  );
  const verified = await post(`${path}/verify`, '');
  assert.deepEqual([verified.status, (await json(verified))['unknown']], [202, ['n']]);
  const verifiedAt = async (...said: readonly string[]): Promise<unknown> => {
    for (const [index, model_digest] of said.entries()) {
      await fleet.join(`v${index}`, []);
      const digests = { models_available: [id], model_digests: { [id]: model_digest } };
      fleet.beat(`v${index}`, [{ models_available: [id] }], digests);
    }
    await post(`${path}/verify`, '');
    for (const index of said.keys()) await fleet.registry.remove(`v${index}`);
    return (await json(await request(path)))['last_verified_ms'];
  };
  const other = `sha256:${'b'.repeat(64)}`;
  assert.equal(await verifiedAt(), null, 'nobody tells');
  assert.equal(await verifiedAt(other), null, 'another content');
  assert.equal(await verifiedAt(digest, other), null, 'not everywhere the same');
  assert.equal(await verifiedAt(digest), fleet.clock.now());
  assert.equal((await post(`${path}/state`, { state: 'Old' })).status, 400);
  assert.equal((await post(`${path}/state`, { state: 'Retired', deadline_ms: 60_000 })).status, 202);
  assert.equal((await client.place({ model: id }, signal)).kind, 'placed');
  const until = await post(`${path}/state`, { state: 'Retired', deadline_ms: 2e11 });
  assert.equal((await json(until))['deadline_ms'], 2e11, 'since the epoch, as daemons take it');
  assert.equal((await post(`${path}/state`, { state: 'Retired' })).status, 202);
  const refused = await client.place({ model: id }, signal);
  assert.deepEqual(refused.kind === 'refused' && refused.refused_counts, { retired: 1 });
  const list = (await json(await request('/v2/catalog/models'))) as { models: Json[]; count: number };
  assert.deepEqual([list.count, list.models[0]?.['state']], [1, 'Retired']);
  const gone = () => request(path, { method: 'DELETE' });
  assert.deepEqual([(await gone()).status, (await gone()).status], [204, 404]);
});

test('figures beyond all sense poison nothing that is told of others', async (t) => {
  const { post, request, fleet } = await serveOrchestrator(t);
  await fleet.join('n');
  for (let times = 0; times < 2; times += 1) {
    const lease = await json(await post('/v2/leases', { node_id: 'n', pool_id: 'pool-0' }));
    const path = `/v2/leases/${String(lease['lease_id'])}`;
    assert.equal((await request(`${path}?took_ms=1e308`, { method: 'DELETE' })).status, 400);
    assert.equal((await request(path, { method: 'DELETE' })).status, 204);
  }
  const incoming = (bytes_missing: number) => ['x', 'y'].map((id) => ({ id, bytes_total: 1e308, bytes_missing }));
  fleet.beat('n', [{}], { models_incoming: incoming(1e308) });
  await fleet.clock.advance(1_000);
  fleet.beat('n', [{}], { models_incoming: incoming(0) });
  assert.ok(Number.isFinite(fleet.registry.get('n').bytesPerSecond));
  const { nodes } = (await json(await request('/v1/fleet'))) as unknown as FleetDocument;
  for (const { bytesPerSecond } of nodes[0]?.cells ?? []) assert.equal(typeof bytesPerSecond, 'number');
});
