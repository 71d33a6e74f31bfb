import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { availableNames } from '../../src/flows/heartbeat-documents.ts';
import type { Clock } from '../../src/util/clock.ts';
import { delay, eventually } from '../support/wait.ts';
import { hastyClock, runLink } from './link-fixture.ts';
import { availableIn, OK, OrchestratorServer } from './orchestrator-server.ts';

test('a node registers, then a change is reported within 200 ms with the bearer token', async () => {
  await using server = await OrchestratorServer.start();
  {
    await using it = runLink(server.url, { state: { available: ['a'], token: 'secret' } });
    await server.until(({ beats }) => beats.length === 1);
    assert.equal(server.seen[0]?.path, '/prefix/v2/nodes/register');
    assert.deepEqual((server.seen[0].body as { capabilities: { gpus: unknown } }).capabilities.gpus, []);
    const tookMs: number[] = [];
    for (let change = 1; change <= 5; change += 1) {
      it.state.available = ['a', `b${change}`];
      const changedAt = performance.now();
      it.link.notify();
      await server.until(({ beats }) => beats.length === change + 1);
      tookMs.push((server.beats[change]?.at ?? Infinity) - changedAt);
      assert.deepEqual(availableIn(server.beats[change]), ['a', `b${change}`]);
    }
    // The median: a busy machine holds up one or the other.
    assert.ok((tookMs.toSorted((a, b) => a - b)[2] ?? Infinity) < 200, tookMs.join(', '));
    assert.ok(server.seen.every((one) => one.authorization === 'Bearer secret'));
  }
  assert.equal(server.seen.at(-1)?.method, 'DELETE', 'a daemon that ends says so');
});

test('a burst of changes is a heartbeat at once and one with all the rest', async () => {
  await using server = await OrchestratorServer.start();
  await using it = runLink(server.url);
  await server.until(({ beats }) => beats.length === 1);
  await delay(100);
  for (let change = 0; change < 100; change += 1) {
    it.state.available = [`model-${change}`];
    it.link.notify();
    if (change % 25 === 0) await delay(1);
  }
  await server.until(({ beats }) => availableIn(beats.at(-1))?.[0] === 'model-99');
  await delay(100);
  assert.ok(server.beats.length <= 4, `${server.beats.length} heartbeats`);
});

test('an orchestrator that has forgotten the node is registered with again', async () => {
  let forgotten = true;
  await using server = await OrchestratorServer.start((one) => {
    if (!one.path.endsWith('/heartbeat') || !forgotten) return OK;
    forgotten = false;
    return { status: 404 };
  });
  await using it = runLink(server.url);
  await server.until(({ beats }) => beats.length === 2);
  assert.deepEqual(server.steps, ['register', 'heartbeat', 'register', 'heartbeat']);
  await eventually('it is registered', () => it.link.view().registered);
});

test('a node whose address changes registers again before its next heartbeat', async () => {
  await using server = await OrchestratorServer.start();
  await using it = runLink(server.url);
  await server.until(({ beats }) => beats.length === 1);
  it.state.address = 'http://10.0.0.9:7420';
  it.link.notify();
  await server.until(({ beats }) => beats.length === 2);
  assert.deepEqual(server.steps, ['register', 'heartbeat', 'register', 'heartbeat']);
  assert.equal((server.seen[2]?.body as { address: string }).address, 'http://10.0.0.9:7420');
});

test('refusals are said once, backed off from, and followed by the present', async () => {
  const refused = async (status: number): Promise<void> => {
    await using server = await OrchestratorServer.start(() => ({
      status,
      body: { success: false, message: 'not now', node_id: 'gpu-1' },
    }));
    await using it = runLink(server.url, { clock: hastyClock(40) });
    const startMs = performance.now();
    // Half a minute of trouble, with a change every quarter of a second of it; a busy machine needs longer for each attempt.
    while (performance.now() - startMs < 750 || server.seen.length < 5) {
      it.state.available = [`at-${performance.now()}`];
      it.link.notify();
      await delay(6);
    }
    const attempts = server.seen.length;
    assert.ok(attempts <= 9, `${attempts} attempts`);
    const gaps = server.seen.slice(1).map(({ at }, index) => at - (server.seen[index]?.at ?? 0));
    assert.ok(Math.max(...gaps) > 2 * Math.min(...gaps), `not backed off: ${gaps.map(Math.round).join(' ')}`);
    const warnings = it.log.filter(({ level }) => level === 'warn');
    assert.equal(warnings.length, 1, JSON.stringify(warnings));
    assert.match(warnings[0]?.problem ?? '', new RegExp(`answered with ${status}.*: not now`));
    it.state.available = ['the present'];
    const healedMs = performance.now();
    server.reply = () => OK;
    await server.until(({ beats }) => beats.some((one) => availableIn(one)?.[0] === 'the present'));
    assert.ok(server.beats.filter((one) => one.at > healedMs).length <= 2, 'no backlog');
    await eventually('it is well', () => it.link.view().problem === undefined);
    assert.equal(it.log.filter(({ msg }) => msg === 'orchestrator accepts heartbeats').length, 1);
  };
  await Promise.all([500, 503, 429, 401, 403].map(refused));
});

test('Retry-After is honoured, and what came meanwhile is one heartbeat', async () => {
  let failing = true;
  await using server = await OrchestratorServer.start(() =>
    failing ? { status: 429, headers: { 'retry-after': '1' } } : OK,
  );
  await using it = runLink(server.url, { state: { available: ['old'] } });
  await server.until(({ seen }) => seen.length === 1);
  for (let change = 0; change < 50; change += 1) {
    it.state.available = [`model-${change}`];
    it.link.notify();
  }
  failing = false;
  await server.until(({ beats }) => beats.length >= 1);
  assert.ok((server.seen[1]?.at ?? 0) - (server.seen[0]?.at ?? 0) >= 990, 'Retry-After: 1 is one second');
  assert.deepEqual(availableIn(server.beats[0]), ['model-49']);
  assert.ok(server.seen.length <= 4, 'no backlog is sent');
  assert.ok(it.link.view().registered);
});

describe('an orchestrator that does not answer in time', { concurrency: true }, () => {
  test('behind a partition one request waits and no more, and the newest state is what comes through', async () => {
    await using server = await OrchestratorServer.start();
    await using it = runLink(server.url);
    await server.until(({ beats }) => beats.length === 1);
    server.partitioned = true;
    for (let change = 0; change < 200; change += 1) {
      it.state.available = [`model-${change}`];
      it.link.notify();
      await delay(2);
    }
    assert.equal(server.steps.join(' '), 'register heartbeat');
    server.partitioned = false;
    await server.until(({ beats }) => beats.length >= 2, 8_000);
    assert.deepEqual(availableIn(server.beats[1]), ['model-199']);
    await delay(300);
    assert.ok(server.beats.length <= 3, `${server.beats.length} heartbeats`);
  });

  test('behind a partition, or with an orchestrator that answers too late, the log says it once', async () => {
    const away = async (trouble: (server: OrchestratorServer) => void): Promise<void> => {
      await using server = await OrchestratorServer.start();
      await using it = runLink(server.url, { clock: hastyClock(20) });
      await server.until(({ beats }) => beats.length === 1);
      trouble(server);
      it.state.available = ['while it was away'];
      it.link.notify();
      // Attempts end after 5 s of real time each: the second follows the first within a moment.
      await eventually('it has tried again', () => server.requests >= 4, { timeoutMs: 15_000 });
      const warnings = it.log.filter(({ level }) => level === 'warn');
      assert.equal(warnings.length, 1, JSON.stringify(warnings));
      assert.match(warnings[0]?.problem ?? '', /no answer within 5000 ms/);
      server.partitioned = false;
      server.reply = () => OK;
      await eventually('it is well', () => it.link.view().problem === undefined, { timeoutMs: 8_000 });
      assert.equal(
        it.log.filter(({ msg }) => msg === 'orchestrator accepts heartbeats').length,
        2,
        'at first and again',
      );
    };
    await Promise.all([
      away((server) => {
        server.partitioned = true;
      }),
      away((server) => {
        server.reply = () => ({ ...OK, delayMs: 6_000 });
      }),
    ]);
  });
});

test('nodes whose chance differs do not come back in step', async () => {
  const gapsOf = async (seed: number): Promise<number[]> => {
    const waits: number[] = [];
    const clock = hastyClock(40);
    const noting: Clock = {
      ...clock,
      sleep: (ms, signal) => {
        waits.push(ms);
        return clock.sleep(ms, signal);
      },
    };
    await using server = await OrchestratorServer.start(() => ({ status: 503 }));
    await using it = runLink(server.url, { clock: noting, seed });
    await server.until(({ seen }) => seen.length >= 4);
    assert.equal(it.link.view().registered, false);
    return waits.slice(0, 3);
  };
  const [one, other, same] = await Promise.all([gapsOf(1), gapsOf(2), gapsOf(1)]);
  for (const [index, ms] of one.entries()) {
    assert.notEqual(ms, other[index]);
    const backOffMs = 500 * 2 ** index;
    assert.ok(ms >= 0.7 * backOffMs && ms <= 1.3 * backOffMs, `${ms} ms`);
  }
  assert.deepEqual(one, same, 'by the same chance the same');
});

test('a node registers again and tells the present when its orchestrator was away and is back without memory', async () => {
  let known = new Set<string>();
  const reply = (one: { method: string; path: string }) => {
    if (one.path.endsWith('/register')) known.add('gpu-1');
    return one.path.endsWith('/heartbeat') && !known.has('gpu-1') ? { status: 404 } : OK;
  };
  const first = await OrchestratorServer.start(reply);
  const { url, port } = first;
  await using it = runLink(url, { clock: hastyClock(20) });
  await first.until(({ beats }) => beats.length >= 1);
  await first[Symbol.asyncDispose]();
  known = new Set();
  it.state.available = ['new'];
  it.link.notify();
  await delay(200);
  await using second = await OrchestratorServer.start(reply, port);
  await second.until(({ steps }) => steps.includes('register') && steps.at(-1) === 'heartbeat');
  assert.deepEqual(availableIn(second.beats.at(-1)), ['new']);
  assert.equal(it.log.filter(({ level }) => level === 'warn').length, 1);
});

test('what is available is named by id and aliases, each once', () => {
  const model = { id: 'a/b.gguf', aliases: ['b', 'chat'], digest: '', sizeBytes: 0, files: [] };
  assert.deepEqual(availableNames([model, { ...model, id: 'b', aliases: ['chat'] }]), ['a/b.gguf', 'b', 'chat']);
});
