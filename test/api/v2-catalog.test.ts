import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Value } from 'typebox/value';
import { CatalogEntrySchema } from '../../src/api/v2-schemas.ts';
import { AvailabilitySchema } from '../../src/orchestrator/availability-documents.ts';
import { serve } from './api-fixture.ts';
import { catalogEntry } from './fake-catalog.ts';

const DIGEST = `sha256:${'0'.repeat(64)}`;

const post = (body: unknown): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});

test('registering answers 201, and 400 with the words that its clients know', async (t) => {
  const { node, request } = await serve(t);
  const answer = await request('/v2/catalog/models', post({ id: 'llama', digest: DIGEST, source_url: 'http://x/y' }));
  assert.equal(answer.status, 201);
  assert.ok(Value.Check(CatalogEntrySchema, await answer.json()));
  assert.deepEqual(node.calls, [`register llama ${DIGEST} http://x/y`]);
  const refusals: [unknown, string][] = [
    [{}, 'id required'],
    [{ id: '' }, 'id required'],
    [{ id: null, digest: DIGEST }, 'id required'],
    [{ id: 7, digest: DIGEST }, 'id must be a string'],
    [{ id: 'llama' }, 'digest required'],
  ];
  for (const [body, error] of refusals) {
    const refused = await request('/v2/catalog/models', post(body));
    assert.equal(refused.status, 400);
    assert.match(refused.headers.get('content-type') ?? '', /^application\/json/);
    assert.deepEqual(await refused.json(), { error });
  }
  const written = await request(
    '/v2/catalog/models',
    post({ id: 'b', digest: { algo: 'sha256', value: '0'.repeat(64) } }),
  );
  assert.equal(written.status, 201, 'as catalogs on disk write it');
});

test('get, delete, verify and state answer as the contract says, also for ids with slashes', async (t) => {
  const { node, request } = await serve(t);
  const id = 'llm/a b.gguf';
  node.catalog.entries.set(id, catalogEntry(id));
  for (const path of ['/v2/catalog/models/llm/a%20b.gguf', `/v2/catalog/models/${encodeURIComponent(id)}`]) {
    assert.equal(((await (await request(path)).json()) as { id: string }).id, id);
    assert.equal((await request(`${path}/verify`, { method: 'POST' })).status, 202);
    assert.equal((await request(`${path}/state`, post({ state: 'Retired', deadline_ms: 5_000 }))).status, 202);
  }
  assert.deepEqual(new Set(node.calls), new Set([`catalog verify ${id}`, `state ${id} Retired 5000`]));
  const bad = await request(`/v2/catalog/models/${encodeURIComponent(id)}/state`, post({ state: 'retired' }));
  assert.deepEqual([bad.status, await bad.json()], [400, { error: 'state must be Active or Retired' }]);
  const list = (await (await request('/v2/catalog/models')).json()) as { models: unknown[]; count: number };
  assert.equal(list.count, 1);
  assert.equal((await request('/v2/catalog/models/llm/a%20b.gguf', { method: 'DELETE' })).status, 204);
  for (const [method, path] of [
    ['GET', ''],
    ['DELETE', ''],
    ['POST', '/verify'],
    ['POST', '/state'],
  ] as const) {
    const body = path === '/state' ? post({ state: 'Active' }) : { method };
    const answer = await request(`/v2/catalog/models/nobody${path}`, body);
    assert.deepEqual([answer.status, await answer.json()], [404, { error: 'not found' }], `${method} ${path}`);
  }
});

test('availability counts nodes and not pools', async (t) => {
  const { node, request } = await serve(t);
  const pools = (models: string[]) => ['p0', 'p1'].map((poolId) => ({ poolId, ready: true, models }));
  const member = (nodeId: string, models: string[], online = true) => ({
    nodeId,
    address: `http://${nodeId}:7420`,
    online,
    models,
    pools: pools(models),
  });
  node.catalog.fleet = [member('a', ['x', 'y']), member('b', ['x']), member('c', ['x', 'z'], false)];
  const document: unknown = await (await request('/v2/catalog/availability')).json();
  assert.ok(Value.Check(AvailabilitySchema, document));
  const { total_models: total, replicated_models: replicated, single_node_models: single, nodes } = document;
  assert.deepEqual({ total, replicated, single }, { total: 2, replicated: ['x'], single: ['y'] });
  assert.deepEqual(nodes['a'], {
    node_id: 'a',
    address: 'http://a:7420',
    online: true,
    models: ['x', 'y'],
    pools: [
      { pool_id: 'p0', ready: true, models: ['x', 'y'] },
      { pool_id: 'p1', ready: true, models: ['x', 'y'] },
    ],
  });
});

test('catalog and pools are behind the bearer token', async (t) => {
  const { request } = await serve(t, [], { token: 'secret' });
  for (const path of ['/v2/catalog/models', '/v2/catalog/availability', '/v2/catalog/models/x']) {
    assert.equal((await request(path)).status, 401, path);
    const answer = await request(path, { headers: { authorization: 'Bearer secret', 'x-correlation-id': 'mine' } });
    assert.notEqual(answer.status, 401);
    assert.equal(answer.headers.get('x-correlation-id'), 'mine');
  }
  const refused = await request('/v2/catalog/models', post({ id: 'x' }));
  assert.deepEqual([refused.status, Object.keys((await refused.json()) as object)], [401, ['error']]);
  assert.equal((await request('/pools/p/preload', post({ model_id: 'x' }))).status, 401);
});

test('a preload is answered with what came of it', async (t) => {
  const { node, request } = await serve(t);
  node.preloading = (pool, order) => ({ status: 202, body: { pool_id: pool, ...(order as object) } });
  const answer = await request('/pools/pool-0/preload', post({ model_id: 'm', engine: 'llamacpp' }));
  assert.deepEqual(
    [answer.status, await answer.json()],
    [202, { pool_id: 'pool-0', model_id: 'm', engine: 'llamacpp' }],
  );
});
