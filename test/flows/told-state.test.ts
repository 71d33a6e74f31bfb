import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HeartbeatDocument } from '../../src/flows/heartbeat-documents.ts';
import { BELIEVED_MS } from '../../src/flows/told-state.ts';
import { eventually } from '../support/wait.ts';
import { hastyClock, type RunningLink, runLink } from './link-fixture.ts';
import { availableIn, OK, OrchestratorServer, type Reply, type Seen } from './orchestrator-server.ts';

const never = new AbortController().signal;
/** Half a minute in half a second. */
const FACTOR = 60;
/** Timers are cut to whole milliseconds, of which each is as many here. */
const TIMER_MS = 2 * FACTOR;

/** A model is known to the orchestrator, which then fares so; tells what the withdrawal of the model came to. */
async function withdrawn(
  fares: (server: OrchestratorServer) => void,
): Promise<{ told: boolean; tookMs: number; attempts: number; names: readonly unknown[]; log: RunningLink['log'] }> {
  await using server = await OrchestratorServer.start();
  const clock = hastyClock(FACTOR);
  await using it = runLink(server.url, { state: { available: ['m'] }, clock });
  await eventually('it is known', () => it.link.view().lastHeartbeatAt !== undefined, { everyMs: 5 });
  const heardAt = server.beats[0]?.at ?? 0;
  fares(server);
  // Something else changes, and the link finds out what is the matter.
  it.state.available = ['m', 'n'];
  it.link.notify();
  await eventually('it is in trouble', () => server.partitioned || it.link.view().problem !== undefined, {
    everyMs: 5,
  });
  it.state.available = [];
  const withdrawnMs = clock.now();
  const told = await it.link.told(never);
  const tookMs = (performance.now() - heardAt) * FACTOR;
  // One that was made before may have been under way.
  const late = server.beats.filter((one) => madeMs(one) >= withdrawnMs);
  return { told, tookMs, attempts: late.length, names: late.flatMap((one) => availableIn(one)), log: [...it.log] };
}

function madeMs({ body }: Seen): number {
  return Date.parse((body as HeartbeatDocument).timestamp);
}

const refusing = (reply: Reply) => (server: OrchestratorServer) => {
  server.reply = () => reply;
};

test('whoever deletes waits until the orchestrator has accepted a heartbeat made later', async () => {
  await using server = await OrchestratorServer.start((one) => ({
    ...OK,
    delayMs: one.path.endsWith('/heartbeat') ? 120 : 0,
  }));
  await using it = runLink(server.url, { state: { available: ['a'] } });
  assert.equal(await it.link.told(never), true, 'who was never told of a model need not be told that it is gone');
  await server.until(({ beats }) => beats.length === 1);
  // One that still names it is under way.
  it.state.available = [];
  const startMs = performance.now();
  assert.equal(await it.link.told(never), true);
  assert.ok(performance.now() - startMs >= 100);
  assert.deepEqual(availableIn(server.beats.at(-1)), []);
});

test('a heartbeat that hangs is overtaken by a withdrawal', async () => {
  let slow = true;
  await using server = await OrchestratorServer.start((one) => ({
    ...OK,
    delayMs: slow && one.path.endsWith('/heartbeat') ? 4_000 : 0,
  }));
  await using it = runLink(server.url, { state: { available: ['a'] } });
  await server.until(({ beats }) => beats.length === 1);
  slow = false;
  it.state.available = [];
  assert.equal(await it.link.told(never), true);
  assert.deepEqual(availableIn(server.beats[1]), []);
});

test('where Retry-After asks for a minute a withdrawal is sent at once all the same, and once', async () => {
  const patience: Reply = { status: 429, headers: { 'retry-after': '60' } };
  const { told, tookMs, attempts, names } = await withdrawn(refusing(patience));
  assert.deepEqual([told, attempts, names], [false, 1, []]);
  assert.ok(tookMs >= BELIEVED_MS - TIMER_MS, `it was online for the orchestrator still, after ${tookMs} ms`);
  assert.ok(tookMs < BELIEVED_MS * 1.5, `${tookMs} ms`);
});

test('one that accepts the withdrawal in the middle of a Retry-After holds it up no longer', async () => {
  let refusals = 0;
  const { told, tookMs, attempts } = await withdrawn((server) => {
    const once: Reply = { status: 429, headers: { 'retry-after': '60' } };
    server.reply = () => ((refusals += 1) === 1 ? once : OK);
  });
  assert.deepEqual([told, attempts], [true, 1]);
  assert.ok(tookMs < 20_000, `${tookMs} ms`);
});

test('one that answers with 500 is tried again from the first back-off on, until it must take the node for offline', async () => {
  const broken: Reply = { status: 500, body: { success: false, message: 'in trouble', node_id: 'gpu-1' } };
  const { told, tookMs, attempts, names, log } = await withdrawn(refusing(broken));
  assert.deepEqual([told, names], [false, []]);
  assert.ok(attempts >= 4 && attempts <= 9, `${attempts} attempts`);
  assert.ok(tookMs >= BELIEVED_MS - TIMER_MS && tookMs < BELIEVED_MS * 1.5, `${tookMs} ms`);
  assert.equal(log.filter(({ level }) => level === 'warn').length, 1);
});

test('behind a partition nothing is deleted before the orchestrator must take the node for offline', async () => {
  const { told, tookMs } = await withdrawn((server) => {
    server.partitioned = true;
  });
  assert.equal(told, false);
  // The heartbeat that was under way when it was withdrawn may have been heard.
  assert.ok(tookMs >= BELIEVED_MS - TIMER_MS && tookMs < BELIEVED_MS * 2, `${tookMs} ms`);
});

test('one that has not been heard of for longer than that holds nothing up', async () => {
  await using it = runLink('http://127.0.0.1:9', { state: { available: ['m'] }, clock: hastyClock(FACTOR) });
  // It may know what an earlier run of this node said.
  assert.equal(await it.link.told(never), false);
  // Timers are cut to whole milliseconds, which are sixty here.
  await new Promise((resolve) => setTimeout(resolve, 5));
  const startMs = performance.now();
  assert.equal(await it.link.told(never), true);
  assert.ok(performance.now() - startMs < BELIEVED_MS / FACTOR / 2);
});

test('many withdrawals at once are one attempt more, and those of a minute one a second at most', async () => {
  await using server = await OrchestratorServer.start();
  await using it = runLink(server.url, { state: { available: ['m'] }, clock: hastyClock(FACTOR) });
  await eventually('it is known', () => it.link.view().lastHeartbeatAt !== undefined);
  server.reply = () => ({ status: 429, headers: { 'retry-after': '60' } });
  it.link.notify();
  await eventually('it is in trouble', () => it.link.view().problem !== undefined);
  const before = server.beats.length;
  const startMs = performance.now();
  const all: Promise<boolean>[] = [];
  while (performance.now() - startMs < 20_000 / FACTOR) {
    for (let n = 0; n < 20; n += 1) all.push(it.link.told(never));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const attempts = server.beats.length - before;
  const seconds = ((performance.now() - startMs) * FACTOR) / 1000;
  // Timers are cut to whole milliseconds: 16 of 16.7, and a busy machine has them late. Without a limit it would be hundreds.
  assert.ok(attempts >= 2 && attempts <= seconds * 1.5 + 4, `${attempts} attempts in ${seconds} s`);
  server.reply = () => OK;
  await Promise.all(all);
});
