import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiClient } from '../../src/cli/api-client.ts';
import { fleet } from '../../src/cli/commands/fleet.ts';
import type { Output } from '../../src/cli/output.ts';
import { Bitfield } from '../../src/content/bitfield.ts';
import type { FleetNodeView, FleetView } from '../../src/flows/fleet-view.ts';
import { serve } from '../api/api-fixture.ts';
import { serveOrchestrator } from '../orchestrator/api-fixture.ts';
import { runShoal, runShoalInTerminal } from '../support/run-shoal.ts';
import { eventually } from '../support/wait.ts';

const MODELS = ['alone.gguf', 'both.safetensors', 'coming.gguf', 'it is far.gguf'];

function node(id: string, change: Partial<FleetNodeView> = {}): FleetNodeView {
  return { id, status: 'online', address: `http://${id}:7420`, freeBytes: 1e9, cells: [], ...change };
}

/** gpu-1 and gpu-2 are there, gpu-3 was; `has` names places in MODELS. */
function threeNodes(done = 0.42): Partial<FleetView> & { nodes: FleetNodeView[] } {
  const bits = (...has: number[]): string => {
    const field = new Bitfield(MODELS.length);
    for (const index of has) field.add(index);
    return Buffer.from(field.toBytes()).toString('base64');
  };
  const incoming = {
    model: 2,
    state: 'fetching',
    bytesTotal: 1000,
    bytesMissing: Math.round(1000 * (1 - done)),
  } as const;
  return {
    models: MODELS.map((id) => ({ id, sizeBytes: 1_000_000 })),
    nodes: [
      node('gpu-1', { cells: [{ model: 0, state: 'corrupt' }] }),
      node('gpu-2', { cells: [incoming] }),
      node('gpu-3', { status: 'offline', seenMsAgo: 99_000 }),
    ],
    installed: [bits(1, 2), bits(0, 1, 3), bits(1, 3)],
  };
}

/** `shoal fleet` within this process. */
async function runFleet(url: string, options: { json?: boolean; token?: string; columns?: number } = {}) {
  const { json = false, token, columns = Infinity } = options;
  const lines: string[] = [];
  const documents: unknown[] = [];
  const nothing = (): never => assert.fail('not for this command');
  const out: Output = {
    ...{ isTerminal: false, color: false, width: () => columns, height: () => Infinity },
    ...{ line: (text) => lines.push(text), json: (document) => documents.push(document) },
    ...{ frame: nothing, data: nothing },
  };
  const server = { url, token };
  const { signal } = new AbortController();
  const code = await fleet({ api: new ApiClient(server), server, out, json, signal }, [], {});
  return { code, text: lines.join('\n'), documents };
}

test('the fleet is a matrix of nodes and models, and what one node alone has comes with its remedy', async (t) => {
  const { node: daemon, api } = await serve(t);
  const { nodes, ...more } = threeNodes();
  daemon.fleet.change(nodes, more);
  const { code, text, documents } = await runFleet(api.url);
  assert.deepEqual([code, documents], [0, []]);
  assert.match(text, /4 models, 2 of 3 nodes online, 1 on their way/);
  assert.match(text, /MODEL +SIZE +gpu-1 +gpu-2 +gpu-3 \(offline\)/);
  assert.match(text, /alone\.gguf .*corrupt +● +·/);
  assert.match(text, /both\.safetensors .*● +● +○/);
  assert.match(text, /coming\.gguf .*● +42% +·/, 'of another node');
  assert.match(text, /one node only .*: 3/);
  assert.match(text, /coming\.gguf \(gpu-1\): on its way to gpu-2 \(42%\)/);
  assert.match(text, /it is far\.gguf \(gpu-2\): shoal get 'it is far\.gguf' --api http:\/\/gpu-1:7420/);
  const narrow = (await runFleet(api.url, { columns: 60 })).text;
  assert.match(narrow, /coming\.gguf +977 KiB +1\/2 +gpu-2 42%, gpu-1/);
  assert.doesNotMatch(narrow.split('On one node')[0]!, /^.{61,}$/m);

  const [answer] = (await runFleet(api.url, { json: true })).documents;
  const document = JSON.parse(JSON.stringify(answer)) as Record<string, unknown>;
  assert.deepEqual(document['singleNodeModels'], ['alone.gguf', 'coming.gguf', 'it is far.gguf']);
  assert.deepEqual(document['replicatedModels'], ['both.safetensors']);
  assert.deepEqual((document['models'] as unknown[])[2], {
    id: 'coming.gguf',
    sizeBytes: 1_000_000,
    nodes: ['gpu-1'],
    incoming: [{ node: 'gpu-2', bytesTotal: 1000, bytesMissing: 580 }],
    ...{ queued: [], missing: [], corrupt: [], differs: [] },
  });
  assert.deepEqual((document['nodes'] as unknown[])[2], {
    ...{
      id: 'gpu-3',
      status: 'offline',
      online: false,
      address: 'http://gpu-3:7420',
      seenMsAgo: 99_000,
      freeBytes: 1e9,
    },
  });
});

test('an orchestrator is asked for the same matrix, with what is on its way to each node', async (t) => {
  const { fleet: known, url } = await serveOrchestrator(t, { tokens: 'the-token', token: 'the-token' });
  for (const id of ['gpu-1', 'gpu-2'])
    await known.join(id, [{ models_available: id === 'gpu-1' ? ['llama.gguf'] : [] }]);
  const incoming = { id: 'llama.gguf', bytes_total: 1000, bytes_missing: 250, eta_ms: 4_000 };
  known.beat('gpu-2', [{ models_available: [] }], { models_incoming: [incoming] });
  const { text } = await runFleet(url, { token: 'the-token' });
  assert.match(text, /llama\.gguf .*● +75%/);
  await assert.rejects(runFleet(url, { token: 'wrong' }), { code: 'unauthorized' });
});

test('what answers no Shoal question, or nothing, is told apart', async (t) => {
  const { api } = await serve(t);
  await assert.rejects(runFleet(`${api.url}/elsewhere`), { code: 'internal', message: /no Shoal of this version/ });
  await assert.rejects(runFleet('http://127.0.0.1:1'), { code: 'unreachable', message: /connection refused/ });
  const both = await runShoal(['fleet', '--json', '--watch', '--api', api.url]);
  assert.equal(both.code, 2);
  assert.match(both.stderr, /do not go together/);
});

test('--watch follows in place on a terminal, without flicker, until Ctrl-C', async (t) => {
  const { node: daemon, api } = await serve(t);
  const { nodes, ...more } = threeNodes();
  daemon.fleet.change(nodes, more);
  const interrupted = new AbortController();
  const run = runShoalInTerminal(['fleet', '--watch', '--api', api.url], { keys: interrupted.signal });
  await eventually('it was shown', () => daemon.fleet.reads >= 1);
  daemon.fleet.change(threeNodes(0.77).nodes);
  // The answer before the last is on the screen.
  await eventually('it was shown again', () => daemon.fleet.reads >= 3);
  interrupted.abort();
  const { code, stdout } = await run;
  assert.equal(code, 130, stdout);
  assert.equal(stdout.split('\x1b[2J').length, 2, 'the screen is cleared once');
  const frames = stdout.split('\x1b[H').slice(1);
  assert.ok(frames.length >= 2, `${frames.length} frames`);
  assert.match(frames[0]!, /42%/);
  assert.match(frames.at(-1)!, /77%.*\x1b\[J.*Interrupted\./s);
  for (const frame of frames) assert.equal(frame.split('\x1b[J').length, 2, 'what is left of an older frame is erased');
});

test('--watch writes no control characters where nobody looks, and only what has changed', async (t) => {
  const { node: daemon, api } = await serve(t);
  const { nodes, ...more } = threeNodes();
  daemon.fleet.change(nodes, more);
  const interrupted = new AbortController();
  const run = runShoal(['fleet', '--watch', '--api', api.url], { signal: interrupted.signal });
  await eventually('it was read three times', () => daemon.fleet.reads >= 3);
  interrupted.abort();
  const { code, stdout, stderr } = await run;
  assert.equal(code, 130);
  assert.equal(stdout, '');
  assert.equal(stderr.split('4 models').length, 2, 'once: nothing has changed');
  assert.ok(!stderr.includes('\x1b'));
});
