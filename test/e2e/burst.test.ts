import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { PROJECT_ROOT, spawnOwned } from '../support/child-process.ts';
import type { DaemonProcess } from '../support/daemon-process.ts';
import { makeLora } from '../support/make-safetensors.ts';
import { digestsIn, TestBed } from '../support/test-bed.ts';
import { eventually } from '../support/wait.ts';

/** `clients KEY ADDRESS N`: N nodes whose fleet key is that digit 64 times dial at once. */
const CLIENTS = join(PROJECT_ROOT, 'test/swarm/burst-process.ts');
const COUNT = 50;

async function dial(key: string, address: string): Promise<{ said: string; complaints: string }> {
  const owned = spawnOwned([process.execPath, CLIENTS, 'clients', key, address, String(COUNT)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [said, complaints, exit] = await Promise.all([
    text(owned.child.stdout as Readable),
    text(owned.child.stderr as Readable),
    owned.exited,
  ]);
  assert.deepEqual(exit, { code: 0, signal: null }, complaints);
  return { said: said.trim(), complaints };
}

async function assertWell(daemon: DaemonProcess): Promise<void> {
  assert.ok(daemon.isRunning, daemon.log.tail());
  assert.deepEqual(
    daemon.log.all(({ level }) => level === 'error' || level === 'raw'),
    [],
  );
  assert.equal((await daemon.request('GET', '/healthz')).status, 200);
}

test('bursts of 50 nodes from one address, with the right key and a wrong one, end no daemon and hold up no fetch', async (t) => {
  const bed = await TestBed.open({ context: t });
  await writeFile(bed.fleetKeyFile, `/key/swarm/psk/1.0.0/\n/base16/\n${'a'.repeat(64)}\n`, { mode: 0o600 });
  const id = 'm.safetensors';
  const made = await makeLora(join(await bed.makeDirectory('giver/models'), id), { seed: id, sizeBytes: 32 << 20 });
  const giver = await bed.daemon('giver', { args: ['--up-limit', '8MiB'] });
  await giver.waitForModel(id);
  const taker = await bed.daemon('taker');
  const [address = ''] = giver.listen;
  await taker.want(id);

  const strangers = await dial('b', address);
  assert.equal(strangers.said, 'connected 0');
  await assertWell(giver);
  const refusals = giver.log.all(({ level, msg }) => level === 'warn' && msg.startsWith('connection refused'));
  assert.equal(refusals.length, 1, 'noted once, not fifty times');

  const members = await dial('a', address);
  assert.equal(members.said, `connected ${COUNT}`);
  await assertWell(giver);
  await assertWell(taker);
  await taker.waitForModel(id, 'installed', 60_000);
  assert.deepEqual(await digestsIn(taker.modelsDir), { [id]: made.sha256 });
});

test('connections that say nothing, or noise, and are reset end no daemon', async (t) => {
  const bed = await TestBed.open({ context: t });
  const daemon = await bed.daemon('target');
  const port = Number(/\/tcp\/(\d+)/.exec(daemon.listen[0] ?? '')?.[1]);
  await Promise.all(
    Array.from({ length: 2 * COUNT }, async (_, index) => {
      const socket = connect(port, '127.0.0.1');
      socket.resume();
      socket.on('error', () => undefined);
      const closed = new Promise((resolve) => socket.on('close', resolve));
      socket.on('connect', () => {
        if (index % 3 > 0) socket.write(Buffer.alloc(index % 3 === 1 ? 24 : 8192, index));
        setTimeout(() => socket.resetAndDestroy(), 10 * (index % 20));
      });
      await closed;
    }),
  );
  await assertWell(daemon);
  const friend = await bed.daemon('friend');
  await eventually('a node of the fleet still gets in', async () =>
    (await daemon.peers()).some(({ peerId, connected }) => connected && peerId === friend.peerId),
  );
});
