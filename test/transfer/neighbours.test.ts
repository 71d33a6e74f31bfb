import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readersOf } from '../../src/transfer/assignment.ts';
import { MAX_NEIGHBOURS, neighboursOf } from '../../src/transfer/neighbours.ts';

const sha256 = '5e'.repeat(32);
const candidates = [...new Array(300).keys()].map((index) => ({ id: `node-${index}`, fetching: true }));
const ids = candidates.map(({ id }) => id);

test('a few providers are all used', () => {
  assert.deepEqual(neighboursOf({ sha256, self: 'x' }, candidates.slice(0, 5)), ids.slice(0, 5));
});

test('of many, each node draws others, and nobody is drawn by all or by none', () => {
  const drawn = new Map<string, number>();
  for (const self of ids) {
    const neighbours = neighboursOf({ sha256, self }, candidates);
    assert.equal(new Set(neighbours).size, MAX_NEIGHBOURS);
    assert.ok(!neighbours.includes(self));
    for (const id of neighbours) drawn.set(id, (drawn.get(id) ?? 0) + 1);
  }
  assert.equal(drawn.size, ids.length);
  for (const [id, count] of drawn) assert.ok(count >= 10 && count <= 90, `${id}: ${count}`);
});

test('those that read from origins use each other', () => {
  const readers = readersOf(sha256, ids, 8);
  for (const self of readers) {
    const neighbours = neighboursOf({ sha256, self }, candidates);
    for (const other of readers) assert.ok(other === self || neighbours.includes(other), `${self} lacks ${other}`);
  }
});

test('those that read use all seeds where there are few, for each piece comes from a seed to one of them', () => {
  const readers = readersOf(sha256, ids, 8);
  const seeds = ['seed-1', 'seed-2'].map((id) => ({ id, fetching: false }));
  for (const self of readers) {
    const neighbours = neighboursOf({ sha256, self }, [...candidates, ...seeds]);
    assert.ok(neighbours.includes('seed-1') && neighbours.includes('seed-2'), self);
  }
  const many = [...new Array(200).keys()].map((index) => ({ id: `seed-${index}`, fetching: false }));
  const drawn = neighboursOf({ sha256, self: readers[0] ?? '' }, [...candidates, ...many]);
  assert.ok(drawn.some((id) => id.startsWith('node-') && !readers.includes(id)));
});

test('who leaves changes one neighbour, and the same list gives the same draw', () => {
  const before = neighboursOf({ sha256, self: 'node-7' }, candidates);
  assert.deepEqual(neighboursOf({ sha256, self: 'node-7' }, candidates.toReversed()), before);
  const stranger = before.find((id) => !readersOf(sha256, ids, 8).includes(id))!;
  const after = neighboursOf(
    { sha256, self: 'node-7' },
    candidates.filter(({ id }) => id !== stranger),
  );
  assert.equal(after.filter((id) => !before.includes(id)).length, 1);
});
