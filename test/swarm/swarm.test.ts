import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { generateKeyPair } from '@libp2p/crypto/keys';
import { addressOf, runSwarm, someModel, until } from './scene.ts';

test('a node that joins knows every model of the fleet without waiting for the next beat', async () => {
  await using a = await runSwarm({ name: 'a' });
  await using b = await runSwarm({ name: 'b', bootstrap: [addressOf(a)] });
  a.swarm.gossip.update([someModel('a.gguf')], []);
  b.swarm.gossip.update([someModel('b.gguf')], []);
  await until('a knows b', () => a.swarm.fleet.offersOf('b.gguf').length === 1);
  await using c = await runSwarm({ name: 'c', bootstrap: [addressOf(b)] });
  await until('c knows both', () => c.swarm.fleet.models().size === 2);
  assert.deepEqual(
    c.swarm.fleet.nodes().map(({ name }) => name),
    ['a', 'b'],
  );
});

test('a node tells how large its disk is and what of it is free; one that cannot is known without', async () => {
  await using a = await runSwarm({ name: 'a' });
  a.swarm.gossip.setDisk({ freeBytes: 700.5, totalBytes: 1_000 });
  await using b = await runSwarm({ name: 'b', bootstrap: [addressOf(a)] });
  b.swarm.gossip.setDisk({ freeBytes: 0, totalBytes: 0 });
  await until('both known', () => [a, b].every(({ swarm }) => swarm.fleet.nodes().length === 1));
  await until('the next head', () => b.swarm.fleet.nodes()[0]?.totalBytes === 1_000);
  const disks = [b, a].map(({ swarm }) => swarm.fleet.nodes()[0]!);
  assert.deepEqual(
    disks.map(({ freeBytes, totalBytes }) => [freeBytes, totalBytes]),
    [
      [700, 1_000],
      [0, undefined],
    ],
  );
});

test('a node that starts anew and looks at its disk first is never without its models for the others', async () => {
  const privateKey = await generateKeyPair('Ed25519');
  const models = Array.from({ length: 30 }, (_, i) => someModel(`m${i}.gguf`));
  await using a = await runSwarm({ name: 'a' });
  const joining = { privateKey, name: 'b', bootstrap: [addressOf(a)] };
  const before = await runSwarm(joining);
  before.swarm.gossip.update(models, []);
  await until('a knows what b has', () => a.swarm.fleet.models().size === 30);
  const seq = a.swarm.fleet.node(before.swarm.peerId)!.seq;
  await before[Symbol.asyncDispose]();
  const removed: string[] = [];
  a.swarm.fleet.on('change', (change) => removed.push(...change.removed));
  const looked = Promise.withResolvers<undefined>();
  await using b = await runSwarm(joining, {}, looked.promise);
  await until('connected', () => a.swarm.isConnected(b.swarm.peerId));
  b.swarm.gossip.update(models.slice(0, 10), [], models.slice(0, 10));
  await delay(150);
  assert.equal(a.swarm.fleet.node(b.swarm.peerId)?.seq, seq, 'told before it had looked at everything');
  b.swarm.gossip.update(models, [], models.slice(10));
  looked.resolve(undefined);
  await until('a hears of b again', () => a.swarm.fleet.node(b.swarm.peerId)!.seq > seq);
  assert.deepEqual(removed, []);
  assert.equal(a.swarm.fleet.models().size, 30);
});

test('news reaches everyone at once', async () => {
  await using a = await runSwarm({ name: 'a' });
  await using b = await runSwarm({ name: 'b', bootstrap: [addressOf(a)] });
  await using c = await runSwarm({ name: 'c', bootstrap: [addressOf(a)] });
  await until('all connected', () => [a, b, c].every(({ swarm }) => swarm.fleet.nodes().length === 2));
  await until('mesh', () => [a, b, c].every(({ swarm }) => swarm.connectedPeers().length === 2));
  await new Promise((resolve) => setTimeout(resolve, 300));
  const started = performance.now();
  b.swarm.gossip.update([someModel('new.gguf')], []);
  await until('a and c know', () => [a, c].every(({ swarm }) => swarm.fleet.offersOf('new.gguf').length === 1));
  const ms = performance.now() - started;
  // 60 ms on a quiet machine, of which 50 are the wait for more news; without gossip it is the next beat.
  assert.ok(ms < 5_000, `took ${ms} ms`);
});
