import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Agent, request } from 'undici';
import type { Registration } from '../../src/orchestrator/documents.ts';
import type { Claim } from '../../src/orchestrator/identity.ts';
import { ShoalError } from '../../src/util/errors.ts';
import { serveOrchestrator } from './api-fixture.ts';
import { here, registration, TestFleet } from './fleet-fixture.ts';

const elsewhere: Claim = { source: '10.0.0.9', proven: false };
const conflict = (error: unknown): boolean => error instanceof ShoalError && error.code === 'conflict';
const notFound = (error: unknown): boolean => error instanceof ShoalError && error.code === 'not-found';
const other: Partial<Registration> = { machine_id: 'another', address: 'http://10.0.0.9:9200' };

test('an id belongs to the first that registers it: neither its words nor its place alone are enough', async () => {
  const { registry, ...fleet } = await TestFleet.open();
  const tell = (rest: Partial<Registration>, claim: Claim) => registry.register(registration('n', rest), claim);
  await tell({}, here);
  const beat = (claim: Claim) =>
    registry.heartbeat('n', { timestamp: new Date(fleet.clock.now()).toISOString(), pools: [] }, claim);
  beat(here);
  await assert.rejects(tell(other, elsewhere), conflict, 'another machine');
  await assert.rejects(tell({}, elsewhere), conflict, 'one that copies every word, from another address');
  await assert.rejects(tell(other, here), conflict, 'two daemons on one host');
  assert.throws(() => beat(elsewhere), notFound, 'and without registering');
  assert.equal(registry.get('n').status, 'Online', 'the owner is not disturbed');
  await tell({ machine_id: 'made anew' }, here);
  await tell({ machine_id: 'made anew', address: 'http://n:9300' }, here);
  assert.equal(registry.get('n').address, 'http://n:9300', 'it may call itself anew in one thing at a time');
  await registry.remove('n');
  await tell(other, elsewhere);
});

test('a node whose address has changed is itself again when the old one is offline, and the log says so once', async () => {
  const { registry, clock, lines } = await TestFleet.open();
  await registry.register(registration('n'), here);
  const move = () => registry.register(registration('n', { address: 'http://10.0.0.9:9200' }), elsewhere);
  for (let second = 0; second <= 30; second += 10) {
    await assert.rejects(move(), conflict, `after ${second} s`);
    await clock.advance(10_000);
  }
  await assert.rejects(registry.register(registration('n', other), elsewhere), conflict, 'another machine still not');
  await move();
  assert.equal(registry.get('n').address, 'http://10.0.0.9:9200');
  await assert.rejects(registry.register(registration('n'), here), conflict, 'and now the old address is a stranger');
  const said = lines.map(({ level, msg }) => `${level}: ${msg}`);
  assert.deepEqual(said, [
    'warn: another claims this id',
    'warn: node is offline',
    'info: node has another address now',
    'warn: another claims this id',
  ]);
});

test('a token of its own proves a node wherever it is, at once', async () => {
  const { registry } = await TestFleet.open();
  await registry.register(registration('n'), here);
  await registry.register(registration('n', other), { source: 'anywhere', proven: true });
  assert.equal(registry.get('n').address, 'http://10.0.0.9:9200');
});

test('over HTTP: who copies the machine id from another address is refused with a problem, and the owner stays', async (t) => {
  const { url, post, fleet } = await serveOrchestrator(t);
  const from = new Agent({ localAddress: '127.0.0.2' });
  t.after(() => from.close());
  const impostor = async (
    path: string,
    body: unknown,
  ): Promise<{ status: number; problem: Record<string, unknown> }> => {
    const headers = { 'content-type': 'application/json' };
    const sent = { method: 'POST', headers, body: JSON.stringify(body), dispatcher: from } as const;
    const answer = await request(url + path, sent);
    return { status: answer.statusCode, problem: (await answer.body.json()) as Record<string, unknown> };
  };
  const beat = { timestamp: new Date().toISOString(), pools: [], models_available: ['m'] };
  assert.equal((await post('/v2/nodes/register', registration('n'))).status, 200);
  assert.equal((await post('/v2/nodes/n/heartbeat', beat)).status, 200);
  const registered = await impostor('/v2/nodes/register', registration('n'));
  const { code, success, detail, remedy } = registered.problem;
  assert.deepEqual([registered.status, code, success], [409, 'conflict', false]);
  assert.match(String(detail), /"n" is the id of another node, at http:\/\/n:9200/);
  assert.match(String(remedy), /offline \(30 s\).*token of its own.*DELETE \/v2\/nodes\/n/);
  const reported = await impostor('/v2/nodes/n/heartbeat', { ...beat, models_available: [] });
  assert.equal(reported.status, 404);
  assert.deepEqual(fleet.registry.get('n').models.names, ['m']);
  assert.equal((await post('/v2/nodes/n/heartbeat', beat)).status, 200);
});
