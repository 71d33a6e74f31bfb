import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressOf, runSwarm, someModel, until } from './scene.ts';

test('a node that joins knows every model of the fleet within a second', async () => {
  await using a = await runSwarm({ name: 'a' });
  await using b = await runSwarm({ name: 'b', bootstrap: [addressOf(a)] });
  a.swarm.gossip.update([someModel('a.gguf')], []);
  b.swarm.gossip.update([someModel('b.gguf')], []);
  await until('a knows b', () => a.swarm.fleet.offersOf('b.gguf').length === 1);
  const started = performance.now();
  await using c = await runSwarm({ name: 'c', bootstrap: [addressOf(b)] });
  await until('c knows both', () => c.swarm.fleet.models().size === 2, 1_500 + started - performance.now());
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
  // 60 ms on a quiet machine, of which 50 are the wait for more news.
  assert.ok(ms < 1000, `took ${ms} ms`);
});
