import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FleetMember } from '../../src/flows/fleet-members.ts';
import { serve } from '../api/api-fixture.ts';
import { modelView, transferView } from '../api/fake-node.ts';
import { runShoal } from '../support/run-shoal.ts';

const member = (nodeId: string, models: string[], online = true): FleetMember => ({
  nodeId,
  address: `http://${nodeId}:7420`,
  online,
  models,
  pools: [{ poolId: nodeId, ready: online, models }],
});

test('the fleet is a matrix of nodes and models, and what one node alone has comes with its remedy', async (t) => {
  const { node, api } = await serve(t, [
    modelView('both.safetensors', { nodes: ['gpu-1', 'gpu-2'] }),
    modelView('it is alone.gguf', { nodes: ['gpu-2'], state: 'missing' }),
    modelView('coming.gguf', { nodes: ['gpu-2'], state: 'fetching' }),
  ]);
  node.running = [transferView('coming.gguf', { bytesDone: 420_000 })];
  node.catalog.fleet = [
    member('gpu-1', ['both.safetensors']),
    member('gpu-2', ['both.safetensors', 'coming.gguf', 'it is alone.gguf']),
    member('gpu-3', [], false),
  ];
  const shown = await runShoal(['fleet', '--api', api.url]);
  assert.equal(shown.code, 0, shown.stderr);
  assert.equal(shown.stdout, '');
  assert.match(shown.stderr, /3 models, 2 of 3 nodes online/);
  assert.match(shown.stderr, /MODEL +SIZE +gpu-1 +gpu-2 +gpu-3 \(offline\)/);
  assert.match(shown.stderr, /both\.safetensors .*● +● +·/);
  assert.match(shown.stderr, /coming\.gguf .*42% +● +·/);
  assert.match(shown.stderr, /it is alone\.gguf \(gpu-2\): shoal get 'it is alone\.gguf' --api http:\/\/gpu-1:7420/);
  const { stdout } = await runShoal(['fleet', '--json', '--api', api.url]);
  const document = JSON.parse(stdout) as Record<string, unknown>;
  assert.deepEqual(document['singleNodeModels'], ['coming.gguf', 'it is alone.gguf']);
  assert.deepEqual(document['replicatedModels'], ['both.safetensors']);
  assert.equal((document['nodes'] as unknown[]).length, 3);
  const both = await runShoal(['fleet', '--json', '--watch', '--api', api.url]);
  assert.notEqual(both.code, 0);
  assert.match(both.stderr, /do not go together/);
});
