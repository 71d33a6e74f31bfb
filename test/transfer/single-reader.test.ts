import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GrowingManifest } from '../../src/transfer/growing-manifest.ts';
import { readersInOrder } from '../../src/transfer/reader-election.ts';
import { SingleReader } from '../../src/transfer/single-reader.ts';

const DRAFT = { id: 'cd'.repeat(32), path: 'm.gguf', sizeBytes: 100 * 262_144, modifiedNs: '1', manifest: 'cid' };
const NAMES = ['a', 'b', 'c', 'd', 'e'];
const FRESH = { reads: false, passed: false, reachable: true };

test('every node elects the same reader, whoever reads stays, and who had its turn comes last', () => {
  const order = readersInOrder(
    DRAFT.id,
    NAMES.map((peerId) => ({ peerId, ...FRESH })),
  );
  assert.deepEqual(
    readersInOrder(
      DRAFT.id,
      NAMES.toReversed().map((peerId) => ({ peerId, ...FRESH })),
    ),
    order,
  );
  const [first = '', second = '', ...rest] = order;
  const last = order.at(-1) ?? '';
  const reading = NAMES.map((peerId) => ({ peerId, ...FRESH, reads: peerId === last }));
  assert.equal(readersInOrder(DRAFT.id, reading)[0], last);
  const passed = NAMES.map((peerId) => ({ peerId, ...FRESH, passed: peerId === first }));
  assert.deepEqual(readersInOrder(DRAFT.id, passed), [second, ...rest, first]);
  const cut = NAMES.map((peerId) => ({ peerId, ...FRESH, reachable: peerId !== first }));
  assert.deepEqual(readersInOrder(DRAFT.id, cut), [second, ...rest, first]);
});

test('a draft of another name has another reader as often as not', () => {
  const readers = new Set<string | undefined>();
  for (let n = 0; n < 50; n += 1)
    readers.add(
      readersInOrder(
        `draft ${n}`,
        NAMES.map((peerId) => ({ peerId, ...FRESH })),
      )[0],
    );
  assert.deepEqual([...readers].sort(), NAMES);
});

function scene(self: string): {
  rule: SingleReader;
  growing: GrowingManifest;
  mayRead: (nowMs: number, starvedMs?: number) => number[];
} {
  const growing = new GrowingManifest(DRAFT, self);
  const fetchers = (): string[] => NAMES;
  const rule = new SingleReader({ growing, self, fetchers, hasCompany: () => true, isReachable: () => true });
  const mayRead = (nowMs: number, starvedMs = 0): number[] => {
    const none = (): boolean => false;
    const look = { nowMs, starvedMs, pieceMs: 0, isMissingEverywhere: none, isNeighbour: none, isWatched: none };
    const policy = rule.look(look);
    return Array.from({ length: 100 }, (_, index) => index).filter(
      (index) => policy({ index, copies: 0 }) !== undefined,
    );
  };
  return { rule, growing, mayRead };
}

const ORDER = readersInOrder(
  DRAFT.id,
  NAMES.map((peerId) => ({ peerId, ...FRESH })),
);
const [FIRST = '', SECOND = '', THIRD = ''] = ORDER;

test('the elected node waits a moment for news, and reads in order, not far ahead of what is known', () => {
  const { rule, growing, mayRead } = scene(FIRST);
  assert.deepEqual(mayRead(0), []);
  rule.answered();
  assert.deepEqual(mayRead(400), []);
  assert.deepEqual(
    mayRead(600),
    Array.from({ length: 32 }, (_, index) => index),
  );
  for (let index = 0; index < 10; index += 1) growing.read(index, new Uint8Array(32));
  assert.equal(Math.max(...mayRead(700)), 41);
});

test('one that reads nothing for three seconds loses its turn, and then only the next one reads', () => {
  const [second, third] = [scene(SECOND), scene(THIRD)];
  const reading: string[] = [];
  for (let nowMs = 0; nowMs <= 8_000; nowMs += 200) {
    for (const [name, { rule, mayRead }] of [
      [SECOND, second],
      [THIRD, third],
    ] as const) {
      if (nowMs <= 1_000) rule.heardFrom(FIRST, nowMs, 40);
      if (mayRead(nowMs).length > 0) reading.push(`${name} at ${nowMs}`);
      if (nowMs >= 4_200) rule.heardFrom(SECOND, nowMs, 40);
    }
  }
  assert.equal(reading[0], `${SECOND} at 4000`);
  assert.ok(
    reading.every((entry) => entry.startsWith(SECOND)),
    reading.join(', '),
  );
});

test('a process that was held up blames nobody for what it has not heard meanwhile', () => {
  const { rule, mayRead } = scene(SECOND);
  for (let nowMs = 0; nowMs <= 1_000; nowMs += 200) {
    rule.heardFrom(FIRST, nowMs, 40);
    mayRead(nowMs);
  }
  assert.deepEqual(mayRead(9_000), []);
});

test('a node that gains nothing while others do reads what it lacks', () => {
  const { rule, mayRead } = scene(THIRD);
  for (let nowMs = 0; nowMs <= 12_000; nowMs += 200) {
    rule.heardFrom(FIRST, nowMs, 40);
    mayRead(nowMs);
  }
  assert.deepEqual(mayRead(12_200), []);
  assert.ok(mayRead(12_400, 10_000).length > 0);
});

test('what the others take from the reader is shared out among them: each piece belongs to one', () => {
  const listeners = ORDER.slice(1);
  const parts = listeners.map((self) => {
    const { rule } = scene(self);
    const none = (): boolean => false;
    const look = { nowMs: 10, starvedMs: 0, pieceMs: 0, isMissingEverywhere: none, isNeighbour: none, isWatched: none };
    rule.look(look);
    assert.deepEqual(
      NAMES.filter((name) => rule.isSeed(name)),
      [FIRST],
    );
    const policy = rule.look({ ...look, nowMs: 200 });
    const isOwn = (index: number): boolean => policy({ index, copies: 0, ofSeed: true }) !== undefined;
    return [...new Array(100).keys()].filter(isOwn);
  });
  assert.deepEqual(
    parts.flat().toSorted((a, b) => a - b),
    [...new Array(100).keys()],
  );
  for (const part of parts) assert.ok(part.length > 8, `${part.length}`);
});
