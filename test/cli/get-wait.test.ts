import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Api } from '../../src/api/http-app.ts';
import { startApi } from '../../src/api/start-api.ts';
import type { GetResult } from '../../src/cli/awaited-model.ts';
import type { TransferView } from '../../src/flows/views.ts';
import { silentLog } from '../../src/util/log.ts';
import { serve } from '../api/api-fixture.ts';
import { FakeNode, modelView, transferView } from '../api/fake-node.ts';
import { runShoal, runShoalInTerminal } from '../support/run-shoal.ts';

const missing = (id: string) => modelView(id, { state: 'missing', nodes: ['gpu-2'], sizeBytes: 1_000_000_000 });

function progress(node: FakeNode, model: string, change: Partial<TransferView>): void {
  const transfer = transferView(model, {
    bytesTotal: 1_000_000_000,
    sources: [
      { kind: 'peer', id: '12D3', name: 'gpu-2', bytes: 600, pieces: 1, bytesPerSecond: 0, state: 'active' },
      { kind: 'origin', id: 'http://nas/', bytes: 400, pieces: 1, bytesPerSecond: 0, state: 'idle' },
    ],
    ...change,
  });
  node.running = [...node.running.filter((other) => other.model !== model), transfer];
  node.emit({ event: 'transfer', data: transfer });
}

function install(node: FakeNode, id: string): void {
  progress(node, id, { state: 'done', bytesDone: 1_000_000_000, seconds: 2.5, refetchedBytes: 7 });
  node.set(id, { state: 'installed' });
  node.emit({ event: 'model', data: { id, state: 'installed' } });
}

/** Goes through the states of a download, quickly. */
function fetchSoon(node: FakeNode): void {
  node.onWant = ({ id, state }) => {
    if (state === 'installed') return;
    setTimeout(() => progress(node, id, { bytesDone: 400_000_000, bytesPerSecond: 2e8, etaMs: 3_000 }), 300);
    setTimeout(() => progress(node, id, { bytesDone: 800_000_000, state: 'stalled' }), 600);
    setTimeout(() => install(node, id), 900);
  };
}

test('get --wait ends when the models are installed and tells what came from where', async (t) => {
  const { node, api } = await serve(t, [missing('dir/m.gguf'), modelView('there')]);
  fetchSoon(node);
  const result = await runShoal(['get', 'm', 'there', '--wait', '--json'], { api: api.url });
  assert.equal(result.code, 0, result.stderr);
  const { models } = result.json() as { models: GetResult[] };
  assert.deepEqual(models[0], {
    id: 'dir/m.gguf',
    state: 'installed',
    digest: modelView('dir/m.gguf').digest,
    bytes: 1_000_000_000,
    seconds: 2.5,
    refetchedBytes: 7,
    sources: [
      { kind: 'peer', id: '12D3', bytes: 600 },
      { kind: 'origin', id: 'http://nas/', bytes: 400 },
    ],
  });
  assert.deepEqual([models[1]?.id, models[1]?.seconds, models[1]?.sources], ['there', 0, []]);
  assert.match(result.stderr, /^there: installed already, 977 KiB$/m);
  assert.match(result.stderr, /^dir\/m\.gguf: 80% of 954 MiB, stalled, 1 source$/m);
  assert.match(result.stderr, /^dir\/m\.gguf: installed, 954 MiB in 3 s \(381 MiB\/s\), 60% from 1 peer$/m);
});

test('on a terminal there is a bar with rate and time left, and it is gone at the end', async (t) => {
  const { node, api } = await serve(t, [missing('m.gguf')]);
  fetchSoon(node);
  const { code, stdout } = await runShoalInTerminal(['get', 'm', '--wait', '--api', api.url]);
  assert.equal(code, 0, stdout);
  assert.match(stdout, /m\.gguf █+░+ 40% of 954 MiB, 191 MiB\/s, 3 s left, 1 source/);
  const summary = 'm.gguf: installed, 954 MiB in 3 s (381 MiB/s), 60% from 1 peer';
  const [, afterwards] = stdout.split(summary);
  // The bar is drawn once more below the summary, and then wiped away.
  assert.ok(afterwards !== undefined && afterwards.lastIndexOf('\u001b[0J') > afterwards.lastIndexOf('█'), stdout);
  assert.ok(stdout.lastIndexOf('\u001b[?25h') > stdout.lastIndexOf('\u001b[?25l'), 'the cursor stays hidden');
});

test('no space ends the waiting with exit code 6 and the missing bytes', async (t) => {
  const { node, api } = await serve(t, [missing('m')]);
  node.onWant = ({ id }) => {
    const problem = { code: 'disk-full', message: 'no room', remedy: 'Remove something.', missingBytes: 5_000 };
    progress(node, id, { state: 'queued', problem });
    node.set(id, { state: 'queued', problem });
  };
  const result = await runShoal(['get', 'm', '--wait', '--json'], { api: api.url });
  assert.equal(result.code, 6);
  assert.match(result.stderr, /^shoal: m: no room \(5000 bytes missing\)\. Remove something\.$/m);
  const { models } = result.json() as { models: GetResult[] };
  assert.deepEqual(
    [models[0]?.state, models[0]?.error?.code, models[0]?.error?.missingBytes],
    ['queued', 'disk-full', 5_000],
  );
});

test('a failed verification is exit code 5, any other failure 1', async (t) => {
  const cases = { 'verification-failed': 5, 'source-gone': 1, unreachable: 1, 'code-of-another-version': 1 };
  const { node, api } = await serve(t, Object.keys(cases).map(missing));
  node.onWant = ({ id }) => progress(node, id, { state: 'failed', problem: { code: id, message: `${id} it is` } });
  await Promise.all(
    Object.entries(cases).map(async ([code, exit]) => {
      const result = await runShoal(['get', code, '--wait'], { api: api.url });
      assert.deepEqual([result.code, result.stderr.includes(`${code} it is`)], [exit, true], code);
    }),
  );
});

test('trouble of an earlier attempt is not taken for that of this one', async (t) => {
  const { node, api } = await serve(t, [missing('m')]);
  const problem = { code: 'disk-full', message: 'no room', missingBytes: 1 };
  progress(node, 'm', { state: 'failed', problem });
  node.set('m', { problem });
  node.onWant = ({ id }) => {
    setTimeout(() => install(node, id), 700);
  };
  assert.equal((await runShoal(['get', 'm', '--wait'], { api: api.url })).code, 0);
});

test('somebody who takes the want back ends the waiting', async (t) => {
  const { node, api } = await serve(t, [missing('m')]);
  node.onWant = ({ id }) => {
    setTimeout(() => {
      node.set(id, { wanted: false });
      node.emit({ event: 'model', data: { id, state: 'missing' } });
    }, 300);
  };
  const result = await runShoal(['get', 'm', '--wait'], { api: api.url });
  assert.equal(result.code, 1);
  assert.match(result.stderr, /m is no longer wanted/);
});

test('Ctrl-C is exit code 130 and says that the daemon goes on', async (t) => {
  const { node, api } = await serve(t, [missing('m')]);
  const interrupt = new AbortController();
  node.onWant = ({ id }) => {
    setTimeout(() => progress(node, id, { bytesDone: 1 }), 200);
    setTimeout(() => interrupt.abort(), 600);
  };
  const result = await runShoal(['get', 'm', '--wait', '--json'], { api: api.url, signal: interrupt.signal });
  assert.equal(result.code, 130);
  assert.match(result.stderr, /Interrupted\. The daemon goes on fetching/);
  const { models } = result.json() as { models: GetResult[] };
  assert.equal(models[0]?.state, 'missing');
  assert.equal(node.known.get('m')?.wanted, true);
});

test('a daemon that restarts is waited for', async (t) => {
  const node = new FakeNode([missing('m')]);
  const start = (port: number): Promise<Api> =>
    startApi({ host: '127.0.0.1', port, version: '0' }, { service: node, log: silentLog });
  let api = await start(0);
  const { port } = api.address;
  t.after(() => api[Symbol.asyncDispose]());
  const away = Promise.withResolvers<undefined>();
  node.onWant = ({ id }) => {
    setTimeout(() => {
      progress(node, id, { bytesDone: 1 });
      node.failure = undefined;
      api[Symbol.asyncDispose]().then(() => away.resolve(undefined), away.reject);
    }, 300);
  };
  const running = runShoal(['get', 'm', '--wait'], { api: api.url });
  await away.promise;
  setTimeout(() => {
    // A new process knows only what it has on its disk.
    Object.defineProperty(node, 'metrics', { value: new FakeNode().metrics });
    node.running = [];
    start(port).then(
      (again) => {
        api = again;
        setTimeout(() => install(node, 'm'), 500);
      },
      () => undefined,
    );
  }, 5_000);
  const result = await running;
  assert.equal(result.code, 0, result.stderr);
  assert.match(result.stderr, /The daemon does not answer; waiting for it to come back\.\n[^]*The daemon is back\./);
  assert.match(result.stderr, /m: installed/);
});
