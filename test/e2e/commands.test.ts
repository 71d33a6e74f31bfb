import assert from 'node:assert/strict';
import { readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { parseFleetKey } from '../../src/swarm/fleet-key.ts';
import { BadDisk } from '../support/bad-disk.ts';
import { freePort } from '../support/free-port.ts';
import { makeLora } from '../support/make-safetensors.ts';
import { type CommandResult, runShoal, runShoalInTerminal } from '../support/run-shoal.ts';
import { TestBed } from '../support/test-bed.ts';
import { eventually } from '../support/wait.ts';

const NOBODY = 'http://127.0.0.1:1';
const SIZE = 1 << 20;

/** A terminal shows standard error as well: lines for people stand before the document. What follows must be it alone. */
function documentIn(shown: string): object {
  return JSON.parse(shown.slice(shown.search(/^\{/m))) as object;
}

/** Each command as a person types it, and again with `--json`: the same exit code, and one document and nothing else. */
test('every command does its work in a terminal, with its exit code and one document for --json', async (t) => {
  const bed = await TestBed.open({ context: t });
  const nas = await bed.makeDirectory('nas');
  for (const name of ['far', 'farther']) {
    await makeLora(join(nas, `${name}.safetensors`), { seed: name, sizeBytes: SIZE });
  }
  const models = await bed.makeDirectory('a/models');
  for (const name of ['good', 'worn-1', 'worn-2']) {
    await makeLora(join(models, `${name}.safetensors`), { seed: name, sizeBytes: SIZE });
  }
  await bed.publish(nas);
  const disk = new BadDisk({ directory: bed.directory, matching: '/worn-' });
  const daemon = await bed.daemon('a', { origins: [pathToFileURL(nas).href], env: disk.env });
  for (const name of ['good', 'worn-1', 'worn-2']) await daemon.waitForModel(name);
  await eventually('the NAS is listed', async () => (await daemon.models('fleet')).length === 5);

  const typed = async (line: string, code: number, shown: RegExp, api = daemon.api): Promise<CommandResult> => {
    const result = await runShoalInTerminal(line.split(' '), { api });
    assert.equal(result.code, code, `${line}: ${result.stdout}`);
    assert.match(result.stdout, shown, line);
    return result;
  };
  const both = async (line: string, code: number, shown: RegExp, document: string, api?: string): Promise<void> => {
    await typed(line, code, shown, api);
    const { stdout } = await typed(`${line} --json`, code, /^\{/m, api);
    assert.ok(document in documentIn(stdout), `${line} --json: ${stdout}`);
  };

  await Promise.all([
    both('status', 0, /^node +a \(12D3/m, 'peerId'),
    both('ls', 0, /^good\.safetensors +1\.0 MiB +installed/m, 'models'),
    both('ls --fleet', 0, /^far\.safetensors/m, 'models'),
    both('fleet', 0, /nodes online/, 'nodes'),
    both('peers', 0, /No other nodes/, 'peers'),
    both('transfers', 0, /\S/, 'transfers'),
    both('doctor', 0, /^ok +disk: /m, 'checks'),
    both('verify good', 0, /every byte is right/, 'models'),
  ]);
  await both('pin good', 0, /pinned/, 'models');
  await both('rm good', 1, /is pinned here.*shoal unpin/, 'models');
  await both('unpin good', 0, /no longer pinned/, 'models');
  await both('get far', 0, /far/, 'models');
  await both('get farther --wait', 0, /farther/, 'models');
  await daemon.waitForModel('far');
  await typed('rm good', 0, /removed from this node/);
  const removed = { models: [{ id: 'far.safetensors', removed: true }] };
  assert.deepEqual((await typed('rm far --json', 0, /removed/)).json(), removed);

  disk.fail({ everyReads: 1 });
  await typed('verify worn-1', 5, /WRONG: worn-1\.safetensors/);
  await typed('verify worn-1.safetensors', 5, /WRONG: worn-1\.safetensors/);
  const { stdout } = await typed('verify worn-2 --json', 5, /"ok": false/);
  assert.ok('models' in documentIn(stdout));

  const unknown = /nope.*"shoal ls( --fleet)?"/;
  const unreachable = /(no daemon|nobody) answers at .*shoal daemon/;
  await Promise.all([
    both('get nope', 3, unknown, 'models'),
    ...['get --wait', 'rm', 'pin', 'unpin', 'verify'].map((command) => typed(`${command} nope`, 3, unknown)),
    both('status', 4, unreachable, 'error', NOBODY),
    ...['ls', 'fleet', 'peers', 'transfers', 'get good', 'verify'].map((line) => typed(line, 4, unreachable, NOBODY)),
    both('doctor', 4, /FAILED +daemon/, 'checks', NOBODY),
    typed('ls --flet', 2, /Did you mean --fleet\?/),
    typed('get', 2, /missing required argument 'MODEL'/),
  ]);
});

/** Without a fleet key and without mDNS, in a terminal; what it says is JSON lines, as anywhere. */
async function daemonInTerminal(t: TestContext, args: (bed: TestBed) => readonly string[] = () => []) {
  const bed = await TestBed.open({ context: t });
  const [models, data] = [await bed.makeDirectory('models'), await bed.makeDirectory('data')];
  const address = `127.0.0.1:${await freePort()}`;
  const anywhere = ['--listen', '127.0.0.1:0', '--lane', '127.0.0.1:0', '--no-mdns'];
  const keys = new AbortController();
  const ended = runShoalInTerminal(
    ['daemon', '--name', 'solo', '--models', models, '--data', data, '--api', address, ...anywhere, ...args(bed)],
    { keys: keys.signal },
  );
  ended.catch(() => undefined);
  t.after(async () => {
    keys.abort();
    await ended.catch(() => undefined);
  });
  const api = `http://${address}`;
  await eventually('it is ready', async () => (await fetch(`${api}/readyz`)).ok, { timeoutMs: 30_000 });
  return { bed, models, data, api, ended, pressCtrlC: () => keys.abort() };
}

test('a daemon without a fleet key makes one, says how to share it, and Ctrl-C ends it within 5 s with exit code 0', async (t) => {
  const { data, ended, pressCtrlC } = await daemonInTerminal(t);
  const file = join(data, 'fleet.key');
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  parseFleetKey(await readFile(file, 'utf8'));
  const pressedMs = performance.now();
  pressCtrlC();
  const { code, stdout } = await ended;
  const tookMs = Math.round(performance.now() - pressedMs);
  assert.equal(code, 0, stdout);
  assert.ok(tookMs < 5_000, `it took ${tookMs} ms`);
  const lines = stdout.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as LogLine] : []));
  const made = lines.find(({ msg }) => msg.includes('fleet key'));
  assert.deepEqual([made?.level, made?.file], ['warn', file]);
  assert.match(made?.remedy ?? '', /^Copy .*fleet\.key to the nodes that shall join, and start them with --fleet-key/);
  assert.ok(lines.some(({ msg }) => msg === 'ended'));
});

test('the doctor of a daemon that lacks everything names it all', async (t) => {
  const { bed, models, data, api } = await daemonInTerminal(t, ({ directory }) => [
    ...['--origin', NOBODY, '--origin', pathToFileURL(join(directory, 'nas')).href],
    ...['--orchestrator', NOBODY, '--cache-max', '64KiB'],
  ]);
  const nas = await bed.makeDirectory('nas');
  await makeLora(join(nas, 'big.safetensors'), { seed: 'big', sizeBytes: SIZE });
  await bed.publish(nas);
  await fetch(`${api}/v1/rescan`, { method: 'POST' });
  await eventually('the model is refused for space', async () => (await runShoal(['get', 'big'], { api })).code !== 3);

  const failed = async (): Promise<Record<string, string>> => {
    const result = await runShoal(['doctor', '--json'], { api });
    assert.equal(result.code, 1, result.stderr);
    const { checks } = result.json() as { checks: Record<'check' | 'status' | 'detail' | 'remedy', string>[] };
    const wrong = checks.filter(({ status }) => status === 'failed');
    for (const { check, remedy } of wrong) assert.ok(remedy.length > 0, check);
    return Object.fromEntries(wrong.map(({ check, detail }) => [check, detail]));
  };
  const short = await failed();
  assert.match(short['disk'] ?? '', /too little for what is wanted on the budget that --cache-max sets/);
  assert.match(short[`origin ${NOBODY}`] ?? short[`origin ${NOBODY}/`] ?? '', /\S/);
  assert.match(short[`orchestrator ${NOBODY}`] ?? short[`orchestrator ${NOBODY}/`] ?? '', /\S/);

  await rm(join(data, 'fleet.key'));
  await rename(models, `${models}.away`);
  const gone = await failed();
  for (const check of ['models directory', 'disk', 'fleet key']) assert.match(gone[check] ?? '', /ENOENT/, check);
});

interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly file?: string;
  readonly remedy?: string;
}
