import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AvailabilityInput, availabilityOf } from '../../src/orchestrator/availability.ts';

function node(nodeId: string, models: readonly string[], rest: Partial<AvailabilityInput> = {}): AvailabilityInput {
  return {
    nodeId,
    address: `http://${nodeId}:9200`,
    online: true,
    models,
    pools: [{ poolId: 'pool-0', ready: true, models }],
    ...rest,
  };
}

test('the document has the shape that operators know', () => {
  const idle = node('gpu-node-2', [], { pools: [] });
  assert.deepEqual(availabilityOf([node('gpu-node-1', ['llama-3.1-8b-instruct']), idle]), {
    nodes: {
      'gpu-node-1': {
        node_id: 'gpu-node-1',
        address: 'http://gpu-node-1:9200',
        online: true,
        models: ['llama-3.1-8b-instruct'],
        pools: [{ pool_id: 'pool-0', ready: true, models: ['llama-3.1-8b-instruct'] }],
      },
      'gpu-node-2': { node_id: 'gpu-node-2', address: 'http://gpu-node-2:9200', online: true, models: [], pools: [] },
    },
    total_models: 1,
    replicated_models: [],
    single_node_models: ['llama-3.1-8b-instruct'],
  });
});

test('two pools of one node are one node', () => {
  const pools = ['a', 'b'].map((poolId) => ({ poolId, ready: true, models: ['m'] }));
  const { replicated_models, single_node_models } = availabilityOf([node('n1', ['m'], { pools })]);
  assert.deepEqual([replicated_models, single_node_models], [[], ['m']]);
});

test('replicated is what every node has that is online, and more than one', () => {
  const fleet = [node('n1', ['both', 'one', 'two']), node('n2', ['both', 'two']), node('n3', ['both'])];
  const all = availabilityOf(fleet);
  assert.deepEqual(
    [all.total_models, all.replicated_models, all.single_node_models],
    [3, ['both'], ['one']],
    'two of three is neither',
  );
  const two = availabilityOf(fleet.map((one) => ({ ...one, online: one.nodeId !== 'n3' })));
  assert.deepEqual([two.replicated_models, two.single_node_models], [['both', 'two'], ['one']]);
  const alone = availabilityOf(fleet.map((one) => ({ ...one, online: one.nodeId === 'n1' })));
  assert.deepEqual([alone.replicated_models, alone.single_node_models], [[], ['both', 'one', 'two']]);
});

test('a node that is offline is listed and offers nothing', () => {
  const document = availabilityOf([node('n1', ['m'], { online: false })]);
  assert.deepEqual(document.nodes['n1'], {
    node_id: 'n1',
    address: 'http://n1:9200',
    online: false,
    models: [],
    pools: [{ pool_id: 'pool-0', ready: false, models: [] }],
  });
  assert.equal(document.total_models, 0);
});

test('what only a pool reports belongs to the node too, and names of any kind are names', () => {
  const odd = node('__proto__', ['b'], { pools: [{ poolId: 'p', ready: false, models: ['toString', 'a', 'a'] }] });
  const document = availabilityOf([odd]);
  assert.deepEqual(Object.keys(document.nodes), ['__proto__']);
  assert.deepEqual(document.single_node_models, ['a', 'b', 'toString']);
});
