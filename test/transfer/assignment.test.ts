import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { assignedFetcher, takeOverOrder } from '../../src/transfer/assignment.ts';

const SHA = '5e'.repeat(32);
const names = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 52 }), { minLength: 1, maxLength: 12 });
const nodes = (count: number): string[] => [...new Array(count).keys()].map((i) => `12D3KooW${i}`);

test('every node computes the same order, whatever the order of its list', () => {
  fc.assert(
    fc.property(names, fc.nat(100_000), (fetchers, piece) => {
      const order = takeOverOrder(SHA, piece, fetchers);
      assert.deepEqual(takeOverOrder(SHA, piece, fetchers.toReversed()), order);
      assert.deepEqual(order.toSorted(), fetchers.toSorted());
      assert.equal(assignedFetcher(SHA, piece, fetchers), order[0]);
    }),
  );
});

test('when a fetcher leaves, only its pieces move, each to the next in its order', () => {
  fc.assert(
    fc.property(names, fc.nat(100_000), fc.nat(), (fetchers, piece, which) => {
      const leaving = fetchers[which % fetchers.length];
      const order = takeOverOrder(SHA, piece, fetchers);
      const rest = fetchers.filter((name) => name !== leaving);
      assert.deepEqual(
        takeOverOrder(SHA, piece, rest),
        order.filter((name) => name !== leaving),
      );
    }),
  );
});

test('pieces are spread evenly, and each blob differently', () => {
  const fetchers = nodes(8);
  const counts = new Map(fetchers.map((name) => [name, 0]));
  let same = 0;
  for (let piece = 0; piece < 8000; piece += 1) {
    const name = assignedFetcher(SHA, piece, fetchers)!;
    counts.set(name, counts.get(name)! + 1);
    if (name === assignedFetcher('aa'.repeat(32), piece, fetchers)) same += 1;
  }
  for (const [name, count] of counts) assert.ok(count > 880 && count < 1120, `${name}: ${count}`);
  assert.ok(same > 800 && same < 1200, `${same} of 8000 in common`);
});

test('the successors of one fetcher are spread evenly as well', () => {
  const fetchers = nodes(8);
  const counts = new Map<string, number>();
  for (let piece = 0; piece < 16_000; piece += 1) {
    const [first, second] = takeOverOrder(SHA, piece, fetchers) as [string, string];
    if (first === fetchers[3]) counts.set(second, (counts.get(second) ?? 0) + 1);
  }
  assert.equal(counts.size, 7);
  for (const count of counts.values()) assert.ok(count > 200 && count < 380, [...counts.values()].join(' '));
});

test('nobody is assigned anything when nobody fetches', () => {
  assert.equal(assignedFetcher(SHA, 1, []), undefined);
});

test('the numbers are a protocol and must not change between versions', () => {
  const order = takeOverOrder(SHA, 17, ['alpha', 'beta', 'gamma', 'delta']);
  assert.deepEqual(order, ['beta', 'delta', 'alpha', 'gamma']);
});
