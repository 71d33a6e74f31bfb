import assert from 'node:assert/strict';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { REQUEST_DEADLINE_MS } from '../../src/flows/orchestrator-requests.ts';
import type { OrchestratorClient } from '../../src/orchestrator/client.ts';
import { parseHeartbeat, parseRegistration } from '../../src/orchestrator/parse-document.ts';
import { recorded } from '../orchestrator/fleet-fixture.ts';
import { PROJECT_ROOT } from '../support/child-process.ts';
import type { DaemonProcess } from '../support/daemon-process.ts';
import type { HeartbeatConsumer } from '../support/heartbeat-consumer.ts';
import { makeLora } from '../support/make-safetensors.ts';
import { parseMetrics, sumOf } from '../support/metrics-text.ts';
import { OrchestratorProcess } from '../support/orchestrator-process.ts';
import { runCommand, runShoal } from '../support/run-shoal.ts';
import { TestBed } from '../support/test-bed.ts';
import { delay, eventually } from '../support/wait.ts';

const signal = new AbortController().signal;
const STOPPED_MS = 9_000;

/** What takes its time is waited for side by side: periods, the 30 s of a dead node, an orchestrator that hangs. */
test('periods, deaths and hangs are told in their times, by real processes on both sides', {
  timeout: 180_000,
}, async (t) => {
  const bed = await TestBed.open({ context: t });
  const consumer = await bed.consumer();
  const start = async (name: string): Promise<OrchestratorProcess> =>
    bed.own(await new OrchestratorProcess({ home: join(bed.directory, name) }).start());
  const [steady, troubled] = await Promise.all([start('steady'), start('troubled')]);
  const orchestrators = [steady.url, troubled.url, consumer.url];
  const doomed = await bed.daemon('doomed', { orchestrators, args: ['--settle', '100ms'] });
  const survivor = await bed.daemon('survivor', { orchestrators, args: ['--settle', '100ms'] });
  const put = async (daemon: DaemonProcess, name: string): Promise<void> => {
    const lora = await makeLora(join(bed.directory, name), { seed: name });
    await rename(lora.file, join(daemon.modelsDir, name));
  };
  await Promise.all([put(doomed, 'first.safetensors'), put(survivor, 'second.safetensors')]);
  await nodesWith(steady.client(), 'first.safetensors', ['doomed']);
  await nodesWith(steady.client(), 'second.safetensors', ['survivor']);

  await mendedAsPrinted(steady.url, { model: 'first.safetensors', holder: 'doomed', other: survivor });
  await mendedAsPrinted(survivor.api, { model: 'second.safetensors', holder: 'survivor', other: doomed });
  await nodesWith(steady.client(), 'first.safetensors', ['doomed', 'survivor']);
  await nodesWith(troubled.client(), 'first.safetensors', ['doomed', 'survivor']);

  const killed = async (): Promise<void> => {
    await doomed.kill();
    await offlineInTime(steady.client(), 'doomed', 'first.safetensors');
  };
  const idleThenHanging = async (): Promise<void> => {
    await Promise.all([beatsApart(consumer, 'survivor'), rightAfterRestart(troubled, 'first.safetensors', 'survivor')]);
    await noBacklogAfterHang(troubled, survivor, (name) => put(survivor, name));
  };
  await Promise.all([killed(), idleThenHanging()]);
  recordingsHold(consumer);
  assert.deepEqual(consumer.violations, []);
});

/** `shoal fleet` there prints a command for the model; it is run as it is printed. */
async function mendedAsPrinted(
  url: string,
  { model, holder, other }: { model: string; holder: string; other: DaemonProcess },
): Promise<void> {
  const command = await eventually(`${url} says what mends ${model}`, async () => {
    const printed = await fleetAt(url);
    const line = printed.split('\n').find((one) => one.includes(`${model} (${holder}): `));
    if (line === undefined) throw new Error(printed);
    return line.split(`(${holder}): `)[1]?.trimEnd();
  });
  assert.equal(command, `shoal get ${model} --api ${other.api}`);
  const ran = await runCommand(['bash', '-c', `PATH=${PROJECT_ROOT}/bin:$PATH; ${command}`]);
  assert.equal(ran.code, 0, ran.stderr);
  await other.waitForModel(model);
  await eventually(`${url} points it out no more`, async () => !(await fleetAt(url)).includes(`${model} (`));
}

async function fleetAt(url: string): Promise<string> {
  const { code, stdout, stderr } = await runShoal(['fleet', '--api', url]);
  assert.equal(code, 0, stderr);
  return stdout + stderr;
}

async function candidatesFor(client: OrchestratorClient, model: string): Promise<string[]> {
  const answer = await client.place({ model, count: 10 }, signal);
  return answer.kind === 'placed' ? answer.candidates.map(({ node_id }) => node_id).sort() : [];
}

async function nodesWith(client: OrchestratorClient, model: string, nodes: readonly string[]): Promise<void> {
  await eventually(
    `${model} is at ${nodes.join(' and ')}`,
    async () => (await candidatesFor(client, model)).join() === nodes.join(),
    { timeoutMs: 30_000 },
  );
}

/** Two heartbeats of a node where nothing happens, one after the other. */
async function beatsApart(consumer: HeartbeatConsumer, node: string): Promise<void> {
  const before = consumer.of(node).length;
  await eventually('two idle heartbeats', () => consumer.of(node).length >= before + 2, { timeoutMs: 25_000 });
  const [first, second] = consumer.of(node).slice(before);
  const gapMs = (second?.atMs ?? 0) - (first?.atMs ?? 0);
  assert.ok(gapMs > 9_000 && gapMs < 11_000, `${gapMs} ms`);
}

/** By the orchestrator's own clock: when it heard of the node last. */
async function offlineInTime(client: OrchestratorClient, id: string, model: string): Promise<void> {
  const stateOf = async (): Promise<{ status: string; ageMs: number }> => {
    const node = (await client.nodes({ all: true }, signal)).find(({ node_id }) => node_id === id);
    return { status: node?.status ?? 'gone', ageMs: Date.now() - (node?.last_heartbeat_ms ?? Number.NaN) };
  };
  await eventually('25 s have passed', async () => (await stateOf()).ageMs >= 25_000, {
    timeoutMs: 30_000,
    everyMs: 100,
  });
  const before = await stateOf();
  assert.equal(before.status, 'Online', `${before.ageMs} ms`);
  assert.ok((await candidatesFor(client, model)).includes(id));
  const { ageMs } = await eventually(
    `${id} is offline`,
    async () => {
      const state = await stateOf();
      return state.status === 'Offline' && state;
    },
    { timeoutMs: 20_000 },
  );
  assert.ok(ageMs > 30_000 && ageMs <= 41_000, `offline after ${ageMs} ms`);
  assert.deepEqual(await candidatesFor(client, model), ['survivor']);
  assert.ok(!(await client.nodes({ all: false }, signal)).some(({ node_id }) => node_id === id));
}

async function rightAfterRestart(orchestrator: OrchestratorProcess, model: string, node: string): Promise<void> {
  await orchestrator.kill();
  await orchestrator.start();
  const startMs = performance.now();
  const client = orchestrator.client();
  await eventually(
    'the model is available again',
    async () => (await client.availability(signal)).nodes[node]?.models.includes(model),
    { timeoutMs: 20_000 },
  );
  assert.ok(performance.now() - startMs <= 11_000, `${performance.now() - startMs} ms`);
  assert.deepEqual(await candidatesFor(client, model), [node]);
}

/** What was sent while it hung is not sent again: what waits in its socket are given up requests, one tells the present. */
async function noBacklogAfterHang(
  orchestrator: OrchestratorProcess,
  daemon: DaemonProcess,
  put: (name: string) => Promise<void>,
): Promise<void> {
  const accepted = async (): Promise<number> => {
    const metrics = parseMetrics(await (await fetch(`${orchestrator.url}/metrics`)).text());
    const labels = { method: 'POST', route: '/v2/nodes/:node_id/heartbeat', status: '200' };
    return sumOf(metrics, 'shoal_api_request_seconds_count', labels);
  };
  const warnings = (): number =>
    daemon.log.lines.filter(
      ({ msg, orchestrator: url }) => /does not accept heartbeats/.test(msg) && url === `${orchestrator.url}/`,
    ).length;
  const before = await accepted();
  assert.ok(before > 0, 'heartbeats are counted');
  process.kill(orchestrator.pid, 'SIGSTOP');
  const stoppedMs = performance.now();
  const names = Array.from({ length: 8 }, (_, index) => `while-it-hung-${index}.safetensors`);
  try {
    for (const name of names) {
      await put(name);
      await delay(STOPPED_MS / names.length);
    }
    // A busy machine takes its time to see the last one: told later it would be one more heartbeat, and rightly so.
    for (const name of names) await daemon.waitForModel(name, 'installed', 10_000);
  } finally {
    process.kill(orchestrator.pid, 'SIGCONT');
  }
  const waiting = Math.ceil((performance.now() - stoppedMs) / REQUEST_DEADLINE_MS);
  assert.ok(waiting + 1 < names.length, `${waiting} may wait: it hung for too long to tell a backlog`);
  const client = orchestrator.client();
  await eventually('it knows the present', async () => {
    const { models = [] } = (await client.availability(signal)).nodes[daemon.name] ?? {};
    return names.every((name) => models.includes(name));
  });
  await delay(1_000);
  const heard = (await accepted()) - before;
  assert.ok(heard <= waiting + 1, `${heard} heartbeats for ${names.length} changes, ${waiting} may have waited`);
  // Its restart a moment before was the same trouble, if the daemon noticed it at all.
  assert.equal(warnings(), 1, 'the log says it once');
}

/** The recorded documents are those of this very daemon, key by key. */
function recordingsHold(consumer: HeartbeatConsumer): void {
  const { document: registration } = consumer.registrations[0] ?? assert.fail('never registered');
  const { document: heartbeat } = consumer.of('survivor').at(-1) ?? assert.fail('no heartbeat');
  assert.deepEqual(keysOf(registration), keysOf(recorded('shoal-register')));
  const written = recorded('shoal-heartbeat') as typeof heartbeat;
  const coming = consumer.heartbeats.flatMap(({ incoming }) => incoming)[0] ?? assert.fail('nothing was ever incoming');
  // Names are keys there: which they are differs.
  const likeThose = { ...heartbeat, models_incoming: [coming], model_digests: {} };
  assert.deepEqual(keysOf(likeThose), keysOf({ ...written, model_digests: {} }));
  assert.match(heartbeat.model_digests['first.safetensors'] ?? '', /^sha256:[0-9a-f]{64}$/);
  const { node_id, capabilities } = parseRegistration(registration);
  assert.deepEqual([typeof node_id, capabilities.gpus], ['string', []]);
  assert.deepEqual(parseHeartbeat(heartbeat).models_available, heartbeat.models_available);
}

/** Keys at every depth; of a list those of its first element. */
function keysOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? [] : [keysOf(value[0])];
  if (typeof value !== 'object' || value === null) return true;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, keysOf(inner)]),
  );
}
