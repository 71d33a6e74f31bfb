import assert from 'node:assert/strict';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { generateKeyPair } from '@libp2p/crypto/keys';
import { multiaddr } from '@multiformats/multiaddr';
import { generateFleetKey, loadOrCreateFleetKey, parseFleetKey } from '../../src/swarm/fleet-key.ts';
import { loadOrCreateIdentity } from '../../src/swarm/identity.ts';
import { freePort } from '../support/free-port.ts';
import { insist, skipWithout } from '../support/needs.ts';
import { whyNoMulticast } from './multicast.ts';
import { addressOf, never, rejectsWith, runSwarm, someModel, until } from './scene.ts';

const missingMulticast = await whyNoMulticast();

test('a node that starts before its bootstrap peer joins within seconds of it', async () => {
  const address = multiaddr(`/ip4/127.0.0.1/tcp/${await freePort()}`);
  await using early = await runSwarm({ bootstrap: [address] });
  await new Promise((resolve) => setTimeout(resolve, 700));
  await using late = await runSwarm({ name: 'late', listen: [address] });
  await until('joined', () => early.swarm.fleet.node(late.swarm.peerId)?.name === 'late');
});

test('a peer that restarts with the same identity is found again, with a record that counts on', async () => {
  const privateKey = await generateKeyPair('Ed25519');
  const address = multiaddr(`/ip4/127.0.0.1/tcp/${await freePort()}`);
  const peerId = privateKey.publicKey.toString();
  const first = await runSwarm({ name: 'first', privateKey, listen: [address] });
  await using other = await runSwarm({ bootstrap: [address] });
  await until('joined', () => other.swarm.fleet.node(peerId)?.name === 'first');
  for (let i = 0; i < 3; i += 1) {
    first.swarm.gossip.update([someModel(`${i}.gguf`)], []);
    await until('told', () => other.swarm.fleet.offersOf(`${i}.gguf`).length === 1);
  }
  await first[Symbol.asyncDispose]();
  await until('gone', () => !other.swarm.isConnected(peerId));

  await using second = await runSwarm({ name: 'second', privateKey, listen: [address] });
  second.swarm.gossip.update([someModel('after.gguf')], []);
  await until('joined again', () => other.swarm.fleet.node(peerId)?.name === 'second');
  await until('told again', () => other.swarm.fleet.offersOf('after.gguf').length === 1);
  assert.equal(other.swarm.fleet.offersOf('2.gguf').length, 0);
});

test('nodes that know only one of them find each other, and a stream dials by the record', async () => {
  await using hub = await runSwarm({ name: 'hub' });
  await using one = await runSwarm({ name: 'one', bootstrap: [addressOf(hub)] });
  await using two = await runSwarm({ name: 'two', bootstrap: [addressOf(hub)] });
  await two.swarm.handle('/test/1', (stream) => void stream.close(), { maxInboundStreams: 1 });
  await until('one knows two', () => one.swarm.fleet.node(two.swarm.peerId));
  const stream = await one.swarm.openStream(two.swarm.peerId, '/test/1', never);
  assert.equal(stream.protocol, '/test/1');
  await until('mesh', () => [hub, one, two].every(({ swarm }) => swarm.connectedPeers().length === 2));
  assert.deepEqual(
    one.swarm
      .connectedPeers()
      .map(({ name }) => name)
      .sort(),
    ['hub', 'two'],
  );
  const stranger = (await generateKeyPair('Ed25519')).publicKey.toString();
  await rejectsWith('source-gone', one.swarm.openStream(stranger, '/test/1', never));
  await rejectsWith('source-gone', one.swarm.openStream(two.swarm.peerId, '/no/such/protocol', never));
});

test('more than ten nodes behind one address still hear each other', async () => {
  await using hub = await runSwarm({ name: 'hub' });
  const others = await Promise.all(Array.from({ length: 13 }, () => runSwarm({ bootstrap: [addressOf(hub)] })));
  try {
    const all = [hub, ...others];
    await until('all known', () => all.every(({ swarm }) => swarm.fleet.nodes().length === 13), 60_000);
    // Scores are reckoned once a second.
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    for (const { swarm } of [hub, others[5]!]) {
      swarm.gossip.update([someModel(`${swarm.peerId}.gguf`)], []);
      const heard = (node: typeof hub): boolean =>
        node.swarm === swarm || node.swarm.fleet.offersOf(`${swarm.peerId}.gguf`).length === 1;
      await until('heard by all', () => all.every(heard));
    }
  } finally {
    await Promise.all(others.map((other) => other[Symbol.asyncDispose]()));
  }
});

test('an idle node with 10,000 models sends less than 1 KB/s', async () => {
  const models = Array.from({ length: 10_000 }, (_, index) => someModel(`models/${index}.safetensors`));
  // Ten times as many beats as in earnest, so that a few seconds show all there is to pay for.
  const beatMs = 3_000;
  await using a = await runSwarm({ beatMs });
  await using b = await runSwarm({ beatMs, bootstrap: [addressOf(a)] });
  await using c = await runSwarm({ beatMs, bootstrap: [addressOf(a)] });
  await using d = await runSwarm({ beatMs, bootstrap: [addressOf(a)] });
  const nodes = [a, b, c, d];
  for (const { swarm } of nodes) swarm.gossip.update(models, []);
  const knowsAll = ({ swarm }: typeof a): boolean => {
    const others = swarm.fleet.nodes();
    return others.length === 3 && others.every(({ record }) => record.entries.size === models.length);
  };
  await until('all known', () => nodes.every(knowsAll), 30_000);
  await until('mesh', () => nodes.every(({ swarm }) => swarm.connectedPeers().length === 3), 10_000);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const before = sentBytes();
  await new Promise((resolve) => setTimeout(resolve, 4_000));
  const perNode = (sentBytes() - before) / 4 / nodes.length;
  assert.ok(perNode > 0 && perNode < 1000, `${Math.round(perNode)} bytes a second`);
});

/** Of all connections of this process; each is seen from both ends. */
function sentBytes(): number {
  const handles = (process as unknown as { _getActiveHandles(): unknown[] })._getActiveHandles();
  const sockets = handles.filter((handle) => handle instanceof Socket && handle.remotePort !== undefined);
  return sockets.reduce<number>((sum, socket) => sum + (socket as Socket).bytesWritten, 0);
}

test('two nodes on one machine find each other by mDNS', { skip: skipWithout(missingMulticast) }, async () => {
  insist(missingMulticast);
  await using a = await runSwarm({ name: 'a', mdns: true, listen: [multiaddr('/ip4/0.0.0.0/tcp/0')] });
  await using b = await runSwarm({ name: 'b', mdns: true, listen: [multiaddr('/ip4/0.0.0.0/tcp/0')] });
  await using hidden = await runSwarm({ name: 'hidden', mdns: true, fleetKey: parseFleetKey(generateFleetKey()) });
  await until(
    'they know each other',
    () => a.swarm.fleet.node(b.swarm.peerId) && b.swarm.fleet.node(a.swarm.peerId),
    20_000,
  );
  assert.deepEqual(
    b.swarm.fleet.nodes().map(({ name }) => name),
    ['a'],
  );
  assert.equal(hidden.swarm.connectedPeers().length, 0);
});

test('a key and an identity are made once, for the owner only, and refused when others could read them', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'shoal-keys-'));
  try {
    const path = join(dir, 'data', 'fleet.key');
    const made = await Promise.all(Array.from({ length: 5 }, () => loadOrCreateFleetKey(path)));
    assert.equal(new Set(made.map(({ key }) => Buffer.from(key).toString())).size, 1);
    assert.equal(made.filter(({ created }) => created).length, 1);
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.deepEqual(parseFleetKey(await readFile(path, 'utf8')), made[0]!.key);
    await chmod(path, 0o440);
    assert.equal((await loadOrCreateFleetKey(path)).created, false);
    await chmod(path, 0o644);
    await rejectsWith('invalid', loadOrCreateFleetKey(path));
    await writeFile(join(dir, 'not.key'), 'hello\n', { mode: 0o600 });
    await rejectsWith('invalid', loadOrCreateFleetKey(join(dir, 'not.key')));

    const identity = await loadOrCreateIdentity(join(dir, 'identity'));
    assert.ok(identity.equals(await loadOrCreateIdentity(join(dir, 'identity'))));
    await chmod(join(dir, 'identity'), 0o640);
    await rejectsWith('invalid', loadOrCreateIdentity(join(dir, 'identity')));
    await writeFile(join(dir, 'broken'), 'x', { mode: 0o600 });
    await rejectsWith('invalid', loadOrCreateIdentity(join(dir, 'broken')));
  } finally {
    await rm(dir, { recursive: true });
  }
});
