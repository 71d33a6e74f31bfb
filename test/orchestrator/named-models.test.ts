import assert from 'node:assert/strict';
import { test } from 'node:test';
import { groupNames } from '../../src/api/orchestrator/named-models.ts';

function group(nodes: Readonly<Record<string, number>>, digests: Readonly<Record<string, string>> = {}) {
  const models = groupNames({
    names: Object.keys(nodes),
    nodesWith: (name) => nodes[name] ?? 0,
    digestOf: (name) => digests[name],
  });
  return models.map(({ id, aliases }) => [id, ...aliases]);
}

test('a name without folders and extension is the alias of the path, not a model of its own', () => {
  assert.deepEqual(group({ 'loras/x.safetensors': 2, x: 2, 'y.gguf': 1 }), [['loras/x.safetensors', 'x'], ['y.gguf']]);
});

test('an alias of two models is an alias of both', () => {
  const nodes = { 'a/x.gguf': 1, 'b/x.gguf': 2, x: 3 };
  assert.deepEqual(group(nodes), [
    ['a/x.gguf', 'x'],
    ['b/x.gguf', 'x'],
  ]);
});

test('more nodes than the path has make it a model: somebody has it under that name alone', () => {
  assert.deepEqual(group({ 'x.gguf': 1, x: 2 }), [['x'], ['x.gguf']]);
});

test('what has the same content under a given name is one model', () => {
  const names = group(
    { 'sdxl/jug.safetensors': 1, 'my-favourite': 1 },
    { 'sdxl/jug.safetensors': 'd', 'my-favourite': 'd' },
  );
  assert.deepEqual(names, [['sdxl/jug.safetensors', 'my-favourite']]);
});

test('two paths with the same content stay two: programs ask for either', () => {
  assert.deepEqual(group({ 'a.gguf': 1, 'b.gguf': 1 }, { 'a.gguf': 'd', 'b.gguf': 'd' }), [['a.gguf'], ['b.gguf']]);
});
