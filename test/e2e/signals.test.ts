import assert from 'node:assert/strict';
import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { DaemonProcess } from '../support/daemon-process.ts';
import { makeLora } from '../support/make-safetensors.ts';
import { runShoal } from '../support/run-shoal.ts';
import { digestsIn, TestBed } from '../support/test-bed.ts';
import { delay, eventually } from '../support/wait.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
const WITHIN_MS = 5_000;

/** As `systemctl stop` or Ctrl-C would, in good order and in time. */
async function assertEnds(daemon: DaemonProcess, signal: 'SIGINT' | 'SIGTERM'): Promise<void> {
  const startMs = performance.now();
  process.kill(daemon.pid, signal);
  const exit = await daemon.exited;
  const ms = Math.round(performance.now() - startMs);
  assert.deepEqual(exit, { code: 0, signal: null }, daemon.log.tail());
  assert.ok(ms < WITHIN_MS, `it took ${ms} ms`);
  assert.ok(daemon.log.find('ended') !== undefined, 'it says that it has ended');
  const complaints = daemon.log.all(({ level }) => level === 'error' || level === 'raw');
  assert.deepEqual(complaints, []);
}

async function fetching(t: TestContext, name: string): Promise<Awaited<ReturnType<typeof openFetching>>> {
  return await openFetching(await TestBed.open({ context: t }), name);
}

async function openFetching(bed: TestBed, id: string) {
  const nas = await bed.makeDirectory('nas');
  const made = await makeLora(join(nas, id), { seed: id, sizeBytes: 48 * MIB });
  await bed.publish(nas);
  const origin = await bed.origin(nas);
  const daemon = await bed.daemon('fetcher', { origins: [origin.url], args: ['--down-limit', '12MiB'] });
  return { bed, made, origin, daemon, sent: () => origin.totalSent(/safetensors$/) };
}

test('a signal ends an idle daemon, and one that is just ready', async (t) => {
  const bed = await TestBed.open({ context: t });
  await bed.daemon('neighbour');
  const daemon = await bed.daemon('idle');
  await assertEnds(daemon, 'SIGTERM');
  await daemon.start();
  await assertEnds(daemon, 'SIGINT');
  for (const signal of SIGNALS) {
    await daemon.start();
    await eventually('the neighbour is known', async () => (await daemon.peers()).some(({ connected }) => connected));
    await assertEnds(daemon, signal);
  }
});

test('a signal in the middle of a fetch: the daemon ends, and goes on where it was', async (t) => {
  const { made, daemon, sent } = await fetching(t, 'm.safetensors');
  await daemon.want('m.safetensors');
  for (const [times, signal] of SIGNALS.entries()) {
    await eventually('some of it is here', () => sent() > (times + 1) * 12 * MIB, { timeoutMs: 30_000 });
    await assertEnds(daemon, signal);
    await daemon.start();
  }
  await daemon.waitForModel('m.safetensors', 'installed', 60_000);
  assert.deepEqual(await digestsIn(daemon.modelsDir), { 'm.safetensors': made.sha256 });
  // What was in flight at the signal is lost, a few pieces of 256 KiB.
  assert.ok(sent() <= made.sizeBytes + SIGNALS.length * 4 * MIB, `${sent()} bytes were sent for ${made.sizeBytes}`);
});

test('a signal while the origin is silent: nothing is waited for', async (t) => {
  const { made, origin, daemon, sent } = await fetching(t, 'm.safetensors');
  await daemon.want('m.safetensors');
  await eventually('some of it is here', () => sent() > 4 * MIB, { timeoutMs: 30_000 });
  origin.misbehave({ kind: 'stall', afterBytes: 1000 });
  for (const signal of SIGNALS) {
    await delay(1_000); // in the middle of reads that give nothing more
    await assertEnds(daemon, signal);
    await daemon.start();
    await eventually(
      'it says that it is stalled',
      async () => (await daemon.transfers()).some(({ state }) => state === 'stalled'),
      { timeoutMs: 30_000 },
    );
  }
  await assertEnds(daemon, 'SIGTERM');
  origin.heal();
  origin.dropConnections();
  await daemon.start();
  await daemon.waitForModel('m.safetensors', 'installed', 60_000);
  assert.deepEqual(await digestsIn(daemon.modelsDir), { 'm.safetensors': made.sha256 });
});

test('a signal while a large file is hashed: the rest is not read', async (t) => {
  const bed = await TestBed.open({ context: t });
  const file = join(await bed.makeDirectory('hasher', 'models'), 'large.bin');
  await writeFile(file, '');
  await truncate(file, 64 * GIB); // holes: no place on the disk, and many seconds of hashing
  const daemon = await bed.daemon('hasher');
  await delay(2_500); // settles for 2 s, then is hashed
  for (const signal of SIGNALS) {
    await delay(500);
    assert.equal(daemon.log.find('file hashed'), undefined);
    await assertEnds(daemon, signal);
    await daemon.start();
  }
});

test('a second daemon on the same data directory is refused, and the first goes on', async (t) => {
  const bed = await TestBed.open({ context: t });
  const first = await bed.daemon('first');
  const ports = ['--api', '127.0.0.1:0', '--listen', '127.0.0.1:0', '--lane', '127.0.0.1:0'];
  const models = await bed.makeDirectory('second', 'models');
  const second = await runShoal(
    ['daemon', '--no-mdns', '--models', models, '--data', first.dataDir, '--fleet-key', bed.fleetKeyFile, ...ports],
    { timeoutMs: 30_000 },
  );
  assert.equal(second.code, 1, second.stderr);
  const [complaint = ''] = second.stderr.split('\n').filter((line) => line.startsWith('shoal: '));
  assert.match(complaint, /another|already|in use/i);
  assert.ok(complaint.includes(first.dataDir), `it names the directory: ${complaint}`);
  assert.doesNotMatch(second.stderr, /at .*\.ts:\d+/, 'no stack trace');
  assert.equal((await first.request('GET', '/healthz')).status, 200);
  await assertEnds(first, 'SIGTERM');
});
