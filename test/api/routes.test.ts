import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Value } from 'typebox/value';
import {
  ModelSchema,
  NodeSchema,
  PeerSchema,
  type Problem,
  ProblemSchema,
  TransferSchema,
  VerificationSchema,
} from '../../src/api/schemas.ts';
import type { ModelView } from '../../src/flows/views.ts';
import { ShoalError } from '../../src/util/errors.ts';
import { serve } from './api-fixture.ts';
import { modelView, transferView } from './fake-node.ts';

async function problemIn(response: Response): Promise<Problem> {
  assert.equal(response.headers.get('content-type'), 'application/problem+json');
  const problem: unknown = await response.json();
  assert.ok(Value.Check(ProblemSchema, problem), JSON.stringify(problem));
  assert.equal(problem.status, response.status);
  assert.equal(problem.type, `urn:shoal:problem:${problem.code}`);
  return problem;
}

test('the node, its transfers, peers, origins and checks are told as the schemas say', async (t) => {
  const { node, request } = await serve(t, [modelView('a.gguf')]);
  node.running = [transferView('b.gguf', { etaMs: 5 })];
  node.originList = [{ url: 'file:///mnt/nas', kind: 'file', published: true, reachable: true, models: 3 }];
  node.peerList = [
    {
      peerId: '12D3KooWOther',
      name: 'gpu-2',
      connected: true,
      addresses: ['/ip4/10.0.0.2/tcp/7421'],
      transport: 'stream',
      models: 3,
      freeBytes: 1e12,
      seenMsAgo: 12,
      receivedBytes: 1e9,
      sentBytes: 0,
      rejectedPieces: 1,
      blamed: { reason: 'piece-corrupt', until: '2026-01-31T12:00:00.000Z', strikes: 1 },
    },
  ];
  assert.ok(Value.Check(NodeSchema, await (await request('/v1/node')).json()));
  const { transfers } = (await (await request('/v1/transfers')).json()) as { transfers: unknown[] };
  assert.ok(Value.Check(TransferSchema, transfers[0]));
  const { peers } = (await (await request('/v1/peers')).json()) as { peers: unknown[] };
  assert.ok(Value.Check(PeerSchema, peers[0]));
  assert.deepEqual(await (await request('/v1/origins')).json(), { origins: node.originList });
  assert.deepEqual(await (await request('/v1/doctor')).json(), { checks: node.checks });
  assert.equal((await request('/v1/rescan', { method: 'POST' })).status, 204);
  assert.ok(node.calls.includes('rescan'));
});

test('health is told as it is', async (t) => {
  const { node, request } = await serve(t);
  node.isReady = false;
  assert.equal((await request('/healthz')).status, 200);
  const starting = await request('/readyz');
  assert.deepEqual([starting.status, await starting.json()], [503, { status: 'starting', version: '0.1.0' }]);
  node.isReady = true;
  assert.equal((await request('/readyz')).status, 200);
  assert.equal((await fetch(`${(await serve(t)).api.url}/healthz`, { method: 'HEAD' })).status, 200);
});

test('a model is found by id and alias, with slashes as they are or encoded', async (t) => {
  const { request } = await serve(t, [modelView('loras/sub/x.safetensors'), modelView('a b/ü#?.gguf')]);
  for (const path of ['loras/sub/x.safetensors', 'loras%2Fsub%2Fx.safetensors', 'loras/sub%2Fx.safetensors', 'x']) {
    const model: unknown = await (await request(`/v1/models/${path}`)).json();
    assert.ok(Value.Check(ModelSchema, model), path);
    assert.equal(model.id, 'loras/sub/x.safetensors');
  }
  const odd = (await (await request(`/v1/models/${encodeURIComponent('a b/ü#?.gguf')}`)).json()) as ModelView;
  assert.equal(odd.id, 'a b/ü#?.gguf');
});

test('every action reaches its model, however the slash is written', async (t) => {
  const { node, request } = await serve(t, [modelView('dir/m.gguf')]);
  for (const id of ['dir/m.gguf', 'dir%2Fm.gguf']) {
    node.calls.length = 0;
    const statuses: number[] = [];
    for (const [method, action] of [
      ['PUT', '/want'],
      ['DELETE', '/want'],
      ['PUT', '/pin'],
      ['DELETE', '/pin'],
      ['POST', '/verify'],
      ['DELETE', ''],
    ] as const) {
      statuses.push((await request(`/v1/models/${id}${action}`, { method })).status);
    }
    assert.deepEqual(statuses, [200, 200, 200, 200, 200, 204]);
    assert.deepEqual(
      node.calls,
      ['want', 'unwant', 'pin', 'unpin', 'verify', 'remove'].map((call) =>
        call === 'want' ? 'want dir/m.gguf normal' : `${call} dir/m.gguf`,
      ),
    );
  }
});

test('a model whose name ends like an action is meant when its slash is encoded', async (t) => {
  const { node, request } = await serve(t, [modelView('dir/want'), modelView('dir')]);
  await request('/v1/models/dir%2Fwant', { method: 'DELETE' });
  await request('/v1/models/dir/want', { method: 'DELETE' });
  await request('/v1/models/dir%2Fwant/want', { method: 'DELETE' });
  await request('/v1/models/dir/want');
  assert.deepEqual(node.calls, ['remove dir/want', 'unwant dir', 'unwant dir/want', 'model dir/want']);
});

test('a want carries its priority and digest', async (t) => {
  const { node, request } = await serve(t, [modelView('m')]);
  const digest = 'ab'.repeat(32);
  const want = (body: string, type = 'application/json') =>
    request('/v1/models/m/want', { method: 'PUT', body, headers: { 'content-type': type } });
  assert.equal((await want(JSON.stringify({ priority: 'high', digest }))).status, 200);
  assert.equal((await want('')).status, 200);
  assert.deepEqual(node.calls, [`want m high sha256:${digest}`, 'want m normal']);
  assert.equal(
    (await problemIn(await want('{"priority":"urgent"}'))).detail,
    'body.priority must be one of normal, high',
  );
  assert.equal((await problemIn(await want('{"prio":"high"}'))).detail, 'body.prio is not known here');
  assert.equal((await problemIn(await want('{"digest":"x"}'))).code, 'invalid');
  assert.equal((await problemIn(await want('{'))).detail, 'the body is not JSON');
  assert.equal((await problemIn(await want('[]'))).status, 400);
  assert.equal(
    (await problemIn(await want('a=b', 'application/x-www-form-urlencoded'))).code,
    'unsupported-media-type',
  );
  const unsaid = await request('/v1/models/m/want', { method: 'PUT', body: JSON.stringify({ priority: 'high' }) });
  assert.equal((await problemIn(unsaid)).remedy, 'Send JSON as application/json.', 'fetch calls it text/plain');
  assert.equal((await problemIn(await want(`{"a":"${'x'.repeat(70_000)}"}`))).code, 'too-large');
});

test('models are listed by scope, whole or page by page', async (t) => {
  const ids = ['c', 'a', 'b', 'd/e'];
  const { node, request } = await serve(t, [
    ...ids.map((id) => modelView(id)),
    modelView('gone', { state: 'missing' }),
  ]);
  const list = async (query: string) =>
    (await (await request(`/v1/models${query}`)).json()) as { models: ModelView[]; next?: string };
  const whole = await list('');
  assert.deepEqual(
    whole.models.map((model) => model.id),
    ids,
  );
  assert.equal(whole.next, undefined);
  assert.ok(whole.models.every((model) => Value.Check(ModelSchema, model)));
  assert.equal((await list('?scope=fleet')).models.length, 5);
  assert.deepEqual(node.calls, ['models local', 'models fleet']);
  const pages: string[][] = [];
  for (let after: string | undefined, more = true; more; more = after !== undefined) {
    const page = await list(`?limit=3${after === undefined ? '' : `&after=${encodeURIComponent(after)}`}`);
    pages.push(page.models.map((model) => model.id));
    after = page.next;
  }
  assert.deepEqual(pages, [['a', 'b', 'c'], ['d/e']]);
  assert.match((await problemIn(await request('/v1/models?scope=all'))).detail, /scope must be one of local, fleet/);
  assert.match((await problemIn(await request('/v1/models?scop=fleet'))).detail, /scop is not known here/);
  assert.match((await problemIn(await request('/v1/models?limit=0'))).detail, /limit/);
});

test('each error of the node has its status, its code and its remedy', async (t) => {
  const { node, request } = await serve(t);
  node.failure = new ShoalError('disk-full', 'no room for m', {
    remedy: 'Remove some models.',
    fields: { missingBytes: 12_345, status: 200 },
  });
  const full = await problemIn(await request('/v1/node'));
  assert.deepEqual(
    [full.status, full.code, full.remedy, (full as Record<string, unknown>)['missingBytes']],
    [507, 'disk-full', 'Remove some models.', 12_345],
  );
  const unknown = await problemIn(await request('/v1/models/nope'));
  assert.deepEqual([unknown.status, unknown.code], [404, 'not-found']);
  node.failure = new Error('secret path /root/x');
  const defect = await problemIn(await request('/v1/node', { headers: { 'x-correlation-id': 'call-7' } }));
  assert.deepEqual([defect.status, defect.code, defect.correlationId], [500, 'internal', 'call-7']);
  assert.doesNotMatch(JSON.stringify(defect), /secret/);
});

test('what is no route, no method or no URL is a problem document as well', async (t) => {
  const { request } = await serve(t, [modelView('m')]);
  assert.equal((await problemIn(await request('/v2/nodes'))).code, 'no-such-route');
  const wrong = await problemIn(await request('/v1/models/m/want', { method: 'POST' }));
  assert.deepEqual([wrong.code, wrong.remedy], ['method-not-allowed', 'Use PUT or DELETE; see /openapi.json.']);
  const allowed = async (path: string) => (await request(path, { method: 'PATCH' })).headers.get('allow');
  assert.deepEqual([await allowed('/v1/models/m/want'), await allowed('/v1/node')], ['PUT, DELETE', 'GET, HEAD']);
  assert.equal((await problemIn(await request('/v1/models/%zz'))).code, 'invalid');
  assert.equal((await problemIn(await request('/v1/models/a%00b'))).code, 'invalid');
  assert.equal((await problemIn(await request(`/v1/models/${'a'.repeat(2_000)}`))).code, 'invalid');
  assert.equal((await problemIn(await request(`/v1/models/${'a'.repeat(9_000)}`))).code, 'invalid');
});

test('verifying ends when the client goes away', async (t) => {
  const { node, request } = await serve(t, [modelView('m')]);
  const aborted = Promise.withResolvers<undefined>();
  const began = Promise.withResolvers<undefined>();
  node.verification = (_id, signal) =>
    new Promise((_, reject) => {
      began.resolve(undefined);
      signal.addEventListener('abort', () => {
        aborted.resolve(undefined);
        reject(signal.reason as Error);
      });
    });
  const client = new AbortController();
  const answer = request('/v1/models/m/verify', { method: 'POST', signal: client.signal });
  await began.promise;
  client.abort();
  await assert.rejects(answer);
  await aborted.promise;
});

test('closing ends what is in progress, with a problem document', async (t) => {
  const { node, api, request } = await serve(t, [modelView('m')]);
  const began = Promise.withResolvers<undefined>();
  node.verification = (_id, signal) =>
    new Promise((_, reject) => {
      began.resolve(undefined);
      signal.addEventListener('abort', () => reject(signal.reason as Error));
    });
  const answer = request('/v1/models/m/verify', { method: 'POST' });
  await began.promise;
  const start = performance.now();
  await api[Symbol.asyncDispose]();
  assert.ok(performance.now() - start < 2_000);
  const problem = await problemIn(await answer);
  assert.deepEqual([problem.status, problem.code], [503, 'shutting-down']);
  await assert.rejects(request('/healthz'));
});

async function health(request: (path: string) => Promise<Response>): Promise<number | 'listed'> {
  const start = performance.now();
  await (await request('/healthz')).text();
  return performance.now() - start;
}

test('10,000 models are listed without keeping others waiting', async (t) => {
  const many = Array.from({ length: 10_000 }, (_, n) => modelView(`loras/style-${n}.safetensors`));
  const big = modelView('hub/big', {
    files: Array.from({ length: 50_000 }, (_, n) => ({ path: `hub/big/${n}.bin`, sizeBytes: n })),
  });
  const { request } = await serve(t, [...many, big]);
  await request('/v1/node');
  const list = request('/v1/models').then((response) => response.text());
  const listed = list.then(() => 'listed' as const);
  let worstMs = 0;
  let answered = 0;
  for (let first = await health(request); first !== 'listed'; first = await Promise.race([listed, health(request)])) {
    worstMs = Math.max(worstMs, first);
    answered += 1;
  }
  const { models } = JSON.parse(await list) as { models: ModelView[] };
  assert.equal(models.length, 10_001);
  assert.equal(models.at(-1)?.files.length, 50_000);
  // In one piece, the list would let one answer through at most.
  assert.ok(answered >= 5, `${answered} answers beside the list`);
  t.diagnostic(`${answered} answers beside the list, the slowest after ${worstMs.toFixed(1)} ms`);
});

test('the verification is told as the schema says', async (t) => {
  const { request } = await serve(t, [modelView('m')]);
  const answer: unknown = await (await request('/v1/models/m/verify', { method: 'POST' })).json();
  assert.ok(Value.Check(VerificationSchema, answer));
});
