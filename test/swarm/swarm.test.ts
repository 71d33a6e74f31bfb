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
