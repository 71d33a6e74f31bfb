import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PieceSet } from '../../src/transfer/piece-set.ts';

const COUNT = 100;
const indices = fc.uniqueArray(fc.nat(COUNT - 1));

test('a set of pieces holds what was added and not taken out again, at the edges of its words too', () => {
  fc.assert(
    fc.property(indices, indices, (added, removed) => {
      const set = PieceSet.of(COUNT, added);
      for (const index of removed) set.delete(index);
      const left = added.filter((index) => !removed.includes(index)).sort((a, b) => a - b);
      assert.deepEqual([...set], left);
      assert.equal(set.isEmpty, left.length === 0);
      for (let index = 0; index < COUNT; index += 1) assert.equal(set.has(index), left.includes(index));
    }),
  );
  assert.deepEqual([...PieceSet.of(64, [0, 31, 32, 63])], [0, 31, 32, 63]);
});

test('what two sets have in common is visited once each, in order', () => {
  fc.assert(
    fc.property(indices, indices, (one, other) => {
      const set = PieceSet.of(COUNT, one);
      const others = PieceSet.of(COUNT, other);
      const common = one.filter((index) => other.includes(index)).sort((a, b) => a - b);
      const visited: number[] = [];
      set.forEach((index) => visited.push(index), others);
      assert.deepEqual(visited, common);
      assert.equal(set.meets(others), common.length > 0);
      assert.equal(set.first(others), common[0]);
      assert.equal(set.first(), one.toSorted((a, b) => a - b)[0]);
    }),
  );
});
