import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { publishCommand } from '../../src/cli/commands/publish.ts';
import { ProcessOutput } from '../../src/cli/output.ts';
import { ShoalError } from '../../src/util/errors.ts';
import { serve } from '../api/api-fixture.ts';
import { modelView, transferView } from '../api/fake-node.ts';
import { type CommandOptions, runShoal, runShoalInTerminal } from '../support/run-shoal.ts';

/** One line on standard error, nothing on standard output. */
function oneLine(result: { stdout: string; stderr: string }): string {
  assert.equal(result.stdout, '');
  assert.match(result.stderr, /^shoal: [^\n]+\n$/);
  return result.stderr.trim();
}

test('--json prints exactly one document on standard output and nothing else anywhere', async (t) => {
  const { node, api } = await serve(t, [modelView('loras/x.safetensors'), modelView('far', { state: 'missing' })]);
  node.running = [transferView('far')];
  const ask = async (...args: string[]) => {
    const result = await runShoal([...args, '--json'], { api: api.url });
    assert.deepEqual([result.code, result.stderr], [0, ''], args.join(' '));
    return result.json() as Record<string, unknown>;
  };
  const status = await ask('status');
  assert.deepEqual(status, await node.node());
  assert.equal((await ask('ls'))['models'] instanceof Array, true);
  assert.equal(((await ask('ls', '--fleet'))['models'] as unknown[]).length, 2);
  assert.deepEqual(await ask('peers'), { peers: [] });
  assert.deepEqual(await ask('transfers'), { transfers: node.running });
  assert.deepEqual(await ask('doctor'), { checks: node.checks });
  assert.deepEqual(await ask('verify', 'x'), {
    models: [{ model: 'loras/x.safetensors', ok: true, files: [{ path: 'loras/x.safetensors', ok: true }] }],
  });
  assert.equal(((await ask('pin', 'x'))['models'] as { pinned: boolean }[])[0]?.pinned, true);
  assert.equal(((await ask('unpin', 'x'))['models'] as { pinned: boolean }[])[0]?.pinned, false);
  assert.equal(((await ask('get', 'far'))['models'] as { wanted: boolean }[])[0]?.wanted, true);
  assert.deepEqual(await ask('rm', 'x'), { models: [{ id: 'loras/x.safetensors', removed: true }] });
});

test('what people read goes to standard error', async (t) => {
  const { node, api } = await serve(t, [modelView('loras/x.safetensors', { pinned: true })]);
  node.running = [
    transferView('big', { bytesTotal: 3e9, bytesDone: 1.5e9, bytesPerSecond: 3e8, etaMs: 5_000, state: 'stalled' }),
  ];
  const say = async (...args: string[]) => {
    const result = await runShoal(args, { api: api.url });
    assert.deepEqual([result.code, result.stdout], [0, ''], args.join(' '));
    return result.stderr;
  };
  assert.match(await say('status'), /^node +gpu-1 \(12D3KooWFake\)$/m);
  assert.match(await say('ls'), /^loras\/x\.safetensors +977 KiB +installed +pinned +[0-9a-f]{12}$/m);
  assert.match(await say('transfers'), /^big +stalled +50% of 2\.8 GiB +286 MiB\/s +5 s/m);
  assert.match(await say('peers'), /No other nodes/);
  assert.match(await say('doctor'), /^ok +disk: 100 GiB free$/m);
});

test('names from other machines cannot steer the terminal', async (t) => {
  const { api } = await serve(t, [modelView('evil\u001b[2J\u202egguf')]);
  const { stderr } = await runShoal(['ls'], { api: api.url });
  assert.match(stderr, /evil\ufffd\[2J\ufffdgguf/);
});

test('a model that nobody knows is exit code 3', async (t) => {
  const { api } = await serve(t);
  for (const command of [['get'], ['get', '--wait'], ['rm'], ['pin'], ['unpin'], ['verify']]) {
    const result = await runShoal([...command, 'nope'], { api: api.url });
    assert.equal(result.code, 3, command.join(' '));
    assert.equal(oneLine(result), 'shoal: nope: nobody knows the model "nope". "shoal ls --fleet" names the models.');
  }
  const result = await runShoal(['get', 'nope', '--json'], { api: api.url });
  const { models } = result.json() as { models: { id: string; error: { code: string } }[] };
  assert.deepEqual([result.code, models[0]?.id, models[0]?.error.code], [3, 'nope', 'not-found']);
});

test('one model that fails does not keep the others from it', async (t) => {
  const { node, api } = await serve(t, [modelView('a'), modelView('b')]);
  const result = await runShoal(['pin', 'a', 'nope', 'b'], { api: api.url });
  assert.equal(result.code, 3);
  assert.ok(node.known.get('a')?.pinned === true && node.known.get('b')?.pinned === true);
});

test('a daemon that does not answer is exit code 4, with the remedy', async () => {
  for (const command of ['status', 'ls', 'peers', 'transfers', 'get x', 'get x --wait', 'rm x', 'verify']) {
    const result = await runShoal(command.split(' '), { api: 'http://127.0.0.1:1' });
    assert.equal(result.code, 4, command);
    assert.match(
      oneLine(result),
      /no daemon answers at http:\/\/127\.0\.0\.1:1 \(connection refused\)\. .*shoal daemon/,
    );
  }
  const result = await runShoal(['status', '--json'], { api: '127.0.0.1:1' });
  assert.equal(result.code, 4);
  assert.equal((result.json() as { error: { code: string } }).error.code, 'unreachable');
});

test('the doctor tells that the daemon does not answer as its first finding', async (t) => {
  const result = await runShoal(['doctor', '--json'], { api: 'http://127.0.0.1:1' });
  const { checks } = result.json() as { checks: { check: string; status: string }[] };
  assert.deepEqual([result.code, checks[0]?.check, checks[0]?.status], [4, 'daemon', 'failed']);
  const { node, api } = await serve(t);
  node.checks = [{ check: 'clock', status: 'failed', detail: '3 min off', remedy: 'Run chronyd.' }];
  const failing = await runShoal(['doctor'], { api: api.url });
  assert.deepEqual([failing.code, failing.stderr], [1, 'FAILED   clock: 3 min off\n         → Run chronyd.\n']);
});

test('an answer that comes from another program is said to be so', async (t) => {
  const { createServer } = await import('node:http');
  const server = createServer((_request, response) => response.end('<html>'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const { port } = server.address() as { port: number };
  const result = await runShoal(['status'], { api: `http://127.0.0.1:${port}` });
  assert.equal(result.code, 1);
  assert.match(oneLine(result), /is no Shoal daemon of this version/);
});

test('verification that fails is exit code 5 and names the files', async (t) => {
  const { node, api } = await serve(t, [modelView('a'), modelView('b')]);
  node.verification = (model) =>
    Promise.resolve({ model, ok: model === 'a', files: [{ path: `${model}/x`, ok: model === 'a' }] });
  const result = await runShoal(['verify'], { api: api.url });
  assert.equal(result.code, 5);
  assert.match(result.stderr, /^a: every byte is right\nb: WRONG: b\/x\./);
});

test('no space is exit code 6 and tells the missing bytes', async (t) => {
  const { node, api } = await serve(t, [modelView('m', { state: 'missing' })]);
  node.failure = new ShoalError('disk-full', 'no room for m', {
    remedy: 'Remove something.',
    fields: { missingBytes: 123_456 },
  });
  const result = await runShoal(['get', 'm'], { api: api.url });
  assert.equal(result.code, 6);
  assert.equal(oneLine(result), 'shoal: m: no room for m (123456 bytes missing). Remove something.');
});

test('the token is sent, from the flag or the environment', async (t) => {
  const { api } = await serve(t, [], { token: 'secret' });
  const run = (args: readonly string[], options: CommandOptions = {}) => runShoal(args, { api: api.url, ...options });
  assert.equal((await run(['status'], { token: 'secret' })).code, 0);
  assert.equal((await run(['status', '--token', 'secret'])).code, 0);
  const refused = await run(['status'], { token: 'wrong' });
  assert.equal(refused.code, 1);
  assert.match(oneLine(refused), /the bearer token is wrong\. .*SHOAL_TOKEN/);
});

test('mistakes on the command line are exit code 2, with what was meant', async () => {
  const cases: readonly (readonly [string[], RegExp])[] = [
    [['stats'], /unknown command 'stats'\. Did you mean status\?/],
    [['ls', '--jsn'], /unknown option '--jsn'\. Did you mean --json\?/],
    [['get'], /missing required argument 'MODEL'/],
    [['status', 'extra'], /too many arguments/],
    [['status', '--api', '7420'], /--api: "7420" is not the URL of a daemon\. Write it like http:\/\/127/],
    [['status', '--api', 'ftp://x'], /--api: "ftp:\/\/x" is not the URL of a daemon\./],
    [['daemon', '--modles', '/x'], /unknown option '--modles'\. Did you mean --models\?/],
    [['daemon', '--cache-max', 'much'], /--cache-max: "much" is not a size\. Write sizes like/],
    [['daemon', '--api', '0.0.0.0:0'], /there is no token\. Set SHOAL_TOKEN/],
    [['daemon', '--config', '/nowhere'], /cannot read the settings in \/nowhere/],
    [['publish'], /missing required argument 'DIR'/],
    [['publish', '/tmp', '--workers', 'all'], /--workers: "all" is not a number of threads\. Write 1 to 64\./],
  ];
  for (const [args, expected] of cases) {
    const result = await runShoal(args);
    assert.equal(result.code, 2, args.join(' '));
    assert.match(oneLine(result), expected);
  }
  const bare = await runShoal([]);
  assert.deepEqual([bare.code, bare.stdout], [2, '']);
  assert.match(bare.stderr, /^Usage: shoal/);
});

test('an unknown key of the settings file is refused with what was meant', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'shoal-cli-'));
  t.after(() => rm(dir, { recursive: true }));
  const config = join(dir, 'shoal.yaml');
  await writeFile(config, 'cache_max: 5GB\n');
  const result = await runShoal(['daemon', '--config', config]);
  assert.equal(result.code, 2);
  assert.match(oneLine(result), /"cache_max" is no setting \(its value is "5GB"\)\. Did you mean "cache-max"\?/);
});

test('every command has a help with examples', async () => {
  const { code, stdout } = await runShoal(['--help']);
  assert.equal(code, 0);
  for (const exit of ['3 not found', '4 daemon not reachable', '6 no space', '130 interrupted']) {
    assert.ok(stdout.includes(exit), exit);
  }
  const [, list = ''] = stdout.split('\nCommands:\n');
  const commands = [...list.split('\n\n')[0]!.matchAll(/^ {2}([a-z-]+) /gm)].map(([, name = '']) => name);
  assert.deepEqual(commands.filter((name) => ['fleet', 'orchestrator', 'verify'].includes(name)).length, 3, stdout);
  assert.ok(commands.length >= 15, commands.join(' '));
  for (const command of commands.filter((name) => name !== 'help')) {
    const help = await runShoal([command, '--help']);
    assert.equal(help.code, 0, command);
    assert.match(help.stdout, /Usage: shoal .*\n[^]*Examples?:\n {2}(shoal|watch) /, command);
    assert.equal(help.stderr, '');
  }
  assert.match((await runShoal(['--version'])).stdout, /^\d+\.\d+\.\d+\n$/);
});

test('tables fit the terminal', async (t) => {
  const { api } = await serve(t, [modelView(`loras/${'very-long-name-'.repeat(12)}.safetensors`)]);
  const { stdout, code } = await runShoalInTerminal(['ls', '--api', api.url]);
  assert.equal(code, 0);
  const lines = stdout.replaceAll('\r', '').trim().split('\n');
  assert.equal(lines.length, 2);
  assert.ok(
    lines.every((line) => line.length <= 120),
    stdout,
  );
  assert.match(lines[1] ?? '', /^loras\/.*….*\.safetensors +977 KiB/);
});

test('where a table is too wide its digests go before its names, and models can be told apart', async (t) => {
  const nodes = ['gpu-1', 'gpu-2', 'gpu-3', 'gpu-4', 'gpu-5', 'gpu-6', 'gpu-7'];
  const ids = ['juggernaut-v9', 'juggernaut-xl'].map((name) => `checkpoints/sdxl/${name}.safetensors`);
  const models = ids.map((id) => modelView(id, { nodes, wanted: true }));
  const { api } = await serve(t, models);
  const { stdout, code } = await runShoalInTerminal(['ls', '--fleet', '--api', api.url], { columns: 80 });
  assert.equal(code, 0);
  const lines = stdout.replaceAll('\r', '').trim().split('\n');
  assert.ok(
    lines.every((line) => line.length <= 80),
    stdout,
  );
  assert.doesNotMatch(lines[0] ?? '', /DIGEST/);
  assert.match(lines[1] ?? '', /^checkpoi.*-v9\.safetensors .* gpu-1/);
  assert.match(lines[2] ?? '', /^checkpoi.*-xl\.safetensors .* gpu-1/);
});

test('how pieces come from a peer is told when it is known, not before something was fetched', async (t) => {
  const { node, api } = await serve(t);
  const peer = {
    connected: true,
    addresses: [],
    models: 1,
    freeBytes: 1e12,
    seenMsAgo: 12,
    sentBytes: 5,
    rejectedPieces: 0,
  };
  const idle = { ...peer, transport: 'stream', receivedBytes: 0 } as const;
  node.peerList = [{ ...idle, peerId: 'p1', name: 'idle' }];
  const say = async () => (await runShoal(['peers'], { api: api.url })).stderr;
  assert.doesNotMatch(await say(), /stream|PIECES/);
  node.peerList.push(
    { ...idle, peerId: 'p2', name: 'shut', laneProblem: 'ECONNREFUSED' },
    { ...idle, peerId: 'p3', name: 'without', receivedBytes: 7 },
    { ...idle, peerId: 'p4', name: 'quick', transport: 'lane' },
  );
  const told = await say();
  assert.match(told, /^idle +connected +1 /m);
  assert.match(told, /^shut +connected +stream: ECONNREFUSED /m);
  assert.match(told, /^without +connected +stream /m);
  assert.match(told, /^quick +connected +lane /m);
});

test('Ctrl-C is exit code 130', async (t) => {
  const { node, api } = await serve(t, [modelView('m')]);
  const began = Promise.withResolvers<undefined>();
  node.verification = (_id, signal) =>
    new Promise((_, reject) => {
      began.resolve(undefined);
      signal.addEventListener('abort', () => reject(signal.reason as Error));
    });
  const interrupt = new AbortController();
  void began.promise.then(() => interrupt.abort());
  const result = await runShoal(['verify', 'm'], { api: api.url, signal: interrupt.signal });
  assert.deepEqual([result.code, result.stderr], [130, 'Interrupted.\n']);
});

test('a fleet key goes to standard output, a new one each time', async () => {
  const [one, two] = [await runShoal(['fleet-key']), await runShoal(['fleet-key'])];
  assert.match(one.stdout, /^\/key\/swarm\/psk\/1\.0\.0\/\n\/base16\/\n[0-9a-f]{64}\n$/);
  assert.notEqual(one.stdout, two.stdout);
  assert.deepEqual([one.code, one.stderr], [0, '']);
});

test('publish through a mount that is read only says where to run it', async () => {
  const out = new ProcessOutput({ color: false });
  const fails = (fields: object) => () => Promise.reject(Object.assign(new Error('mkdir'), fields));
  for (const code of ['EROFS', 'EACCES', 'ENOENT']) {
    const publish = fails({ code, syscall: 'mkdir', path: '/mnt/nas/.shoal/manifests' });
    await assert.rejects(publishCommand('/mnt/nas', { publish, out }, new AbortController().signal), {
      code: 'conflict',
      message: `/mnt/nas/.shoal cannot be written (${code})`,
      remedy: /on the NAS itself/,
    });
  }
  const publish = fails({ code: 'EACCES', syscall: 'scandir', path: '/mnt/nas/private' });
  await assert.rejects(publishCommand('/mnt/nas', { publish, out }, new AbortController().signal), { code: 'EACCES' });
});

test('publish hashes what changed and says so', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'shoal-publish-'));
  t.after(() => rm(dir, { recursive: true }));
  await writeFile(join(dir, 'm.gguf'), Buffer.alloc(100_000, 7));
  const first = await runShoal(['publish', dir]);
  assert.equal(first.code, 0, first.stderr);
  assert.match(first.stderr, /: 1 model, 98 KiB, 1 file hashed\n$/);
  assert.match((await runShoal(['publish', dir])).stderr, /nothing had changed\n$/);
  const nowhere = await runShoal(['publish', join(dir, 'nowhere')]);
  assert.equal(nowhere.code, 3);
  assert.match(oneLine(nowhere), /is no directory/);
});
