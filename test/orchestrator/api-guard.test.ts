import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startOrchestratorApi } from '../../src/api/orchestrator/start-orchestrator-api.ts';
import { ShoalError } from '../../src/util/errors.ts';
import { silentLog } from '../../src/util/log.ts';
import { Metrics } from '../../src/util/metrics.ts';
import { serveOrchestrator } from './api-fixture.ts';
import { recorded, registration, TestFleet } from './fleet-fixture.ts';

const tokens = 'fleet-token\ngpu-1 own-token\n';
const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });
const heartbeat = recorded('upstream-heartbeat');

test('a token protects everything but health and metrics, and a refusal has the shape that nodes read', async (t) => {
  const { request, post } = await serveOrchestrator(t, { tokens });
  for (const path of ['/healthz', '/health', '/metrics']) assert.equal((await request(path)).status, 200, path);
  for (const path of ['/v2/nodes', '/v2/catalog/availability', '/v1/events', '/openapi.json', '/nothing']) {
    assert.equal((await request(path)).status, 401, path);
  }
  const refused = await post('/v2/nodes/gpu-2/heartbeat', heartbeat, bearer('wrong'));
  assert.equal(refused.status, 401);
  const { success, node_id, message } = (await refused.json()) as Record<string, unknown>;
  assert.deepEqual([success, node_id, typeof message], [false, 'gpu-2', 'string']);
  const lowercase = await request('/v2/nodes', { headers: { authorization: 'bearer fleet-token' } });
  assert.equal(lowercase.status, 401, 'the word is case-sensitive here');
  const known = await request('/v2/nodes', { headers: { ...bearer('fleet-token'), 'x-correlation-id': 'abc-1' } });
  assert.deepEqual([known.status, known.headers.get('x-correlation-id')], [200, 'abc-1']);
});

test('a node with a token of its own is spoken for by nobody else, and may do nothing else', async (t) => {
  const { request, post } = await serveOrchestrator(t, { tokens });
  const own = bearer('own-token');
  const fleet = bearer('fleet-token');
  const register = (node: string, headers: Record<string, string>) =>
    post('/v2/nodes/register', registration(node), headers);
  assert.equal((await register('gpu-1', fleet)).status, 403);
  assert.equal((await register('gpu-2', own)).status, 403);
  assert.equal((await register('gpu-1', own)).status, 200);
  assert.equal((await register('gpu-2', fleet)).status, 200);
  assert.equal((await post('/v2/nodes/gpu-1/heartbeat', heartbeat, fleet)).status, 403);
  assert.equal((await post('/v2/nodes/gpu-1/heartbeat', heartbeat, own)).status, 200);
  assert.equal((await post('/v2/nodes/gpu-2/heartbeat', heartbeat, own)).status, 403);
  assert.equal((await post('/v2/placement', {}, own)).status, 403);
  const remove = (node: string, headers: Record<string, string>) =>
    request(`/v2/nodes/${node}`, { method: 'DELETE', headers });
  assert.equal((await remove('gpu-2', own)).status, 403);
  assert.equal((await remove('gpu-1', fleet)).status, 204, 'the operator may');
});

test('another machine that claims an id is answered 409, until the operator releases it', async (t) => {
  const { request, post } = await serveOrchestrator(t);
  const impostor = registration('n', { machine_id: 'another', address: 'http://10.9.9.9:9200' });
  assert.equal((await post('/v2/nodes/register', registration('n'))).status, 200);
  const refused = await post('/v2/nodes/register', impostor);
  assert.equal(refused.status, 409);
  assert.match(((await refused.json()) as { remedy: string }).remedy, /DELETE \/v2\/nodes\/n/);
  assert.equal((await request('/v2/nodes/n', { method: 'DELETE' })).status, 204);
  assert.equal((await post('/v2/nodes/register', impostor)).status, 200);
});

test('without a token it does not listen beyond loopback', async () => {
  const { orchestrator, clock } = await TestFleet.open();
  const parts = { orchestrator, tokens: undefined, metrics: new Metrics(), clock, log: silentLog };
  await assert.rejects(startOrchestratorApi({ host: '0.0.0.0', port: 0, version: '0' }, parts), (error) => {
    assert.ok(error instanceof ShoalError && error.code === 'invalid');
    return true;
  });
});

test('every route is described, and events tell of nodes', async (t) => {
  const { request, fleet } = await serveOrchestrator(t);
  const { paths } = (await (await request('/openapi.json')).json()) as {
    paths: Record<string, Record<string, object>>;
  };
  const described = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((one) => `${one} ${path}`),
  );
  for (const route of [
    ...['post /v2/nodes/register', 'post /v2/nodes/{node_id}/heartbeat', 'get /v2/nodes', 'delete /v2/nodes/{node_id}'],
    ...['post /v2/placement', 'post /v2/leases', 'delete /v2/leases/{lease_id}', 'get /v2/catalog/availability'],
    ...['get /v2/catalog/models', 'post /v2/catalog/models/{id}/state', 'get /v1/events', 'get /v1/fleet'],
  ]) {
    assert.ok(described.includes(route), `${route} is not described`);
  }
  const hangUp = new AbortController();
  const events = await request('/v1/events', { signal: hangUp.signal });
  const reader = events.body?.pipeThrough(new TextDecoderStream()).getReader() ?? assert.fail();
  await fleet.join('n');
  let text = '';
  while (!text.includes('"Online"')) text += (await reader.read()).value ?? assert.fail('the stream ended');
  assert.match(text, /event: node\ndata: \{"node_id":"n","status":"Online"/);
  hangUp.abort();
});
