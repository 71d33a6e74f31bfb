import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pieceHash } from '../../src/content/manifest.ts';
import type { HashRun } from '../../src/swarm/hash-run.ts';
import { GrowingManifest } from '../../src/transfer/growing-manifest.ts';
import { codeOf, ShoalError } from '../../src/util/errors.ts';

const PIECES = 20;
const DRAFT = { id: 'ab'.repeat(32), path: 'm.gguf', sizeBytes: PIECES * 262_144, modifiedNs: '1', manifest: 'cid' };

function hashes(values: readonly number[]): Uint8Array {
  return Buffer.concat(values.map((value) => Buffer.alloc(32, value)));
}

function run(reader: string, first: number, values: readonly number[]): HashRun {
  return { draft: DRAFT.id, reader, first, hashes: hashes(values), bytes: new Uint8Array() };
}

test('hashes count by the first word, and who said it is remembered', () => {
  const growing = new GrowingManifest(DRAFT, 'self');
  const told: number[][] = [];
  growing.onAdded((added) => told.push([...added]));
  assert.deepEqual(growing.add(run('a', 2, [2, 3])), { added: [2, 3], disputes: [] });
  assert.deepEqual(growing.add(run('b', 3, [3, 4])).added, [4]);
  assert.deepEqual(
    [2, 3, 4, 5].map((index) => growing.readerOf(index)),
    ['a', 'a', 'b', undefined],
  );
  assert.equal(pieceHash(growing.manifest, 4)[0], 4);
  assert.equal(growing.frontier, 0);
  growing.add(run('a', 0, [0, 1]));
  assert.equal(growing.frontier, 5);
  assert.deepEqual(told, [[2, 3], [4], [0, 1]]);
});

test('a run that contradicts what is known is a dispute and changes nothing', () => {
  const growing = new GrowingManifest(DRAFT, 'self');
  growing.add(run('a', 0, [7, 7]));
  const { added, disputes } = growing.add(run('b', 1, [8, 9]));
  assert.deepEqual(added, [2]);
  assert.deepEqual(
    disputes.map(({ index, sayer, hash }) => [index, sayer, hash[0]]),
    [[1, 'b', 8]],
  );
  assert.equal(pieceHash(growing.manifest, 1)[0], 7);
  const everything = growing.add(
    run(
      'c',
      0,
      Array.from({ length: PIECES }, () => 99),
    ),
  );
  assert.ok(everything.disputes.length <= 4);
});

test('only what brings something is kept to be passed on, and costs its reader a place', () => {
  const growing = new GrowingManifest({ ...DRAFT, sizeBytes: 100 * 262_144 }, 'self');
  growing.add(run('a', 0, [1, 2, 3]));
  for (let reader = 0; reader < 200; reader += 1) growing.add(run(`repeats ${reader}`, 0, [1, 2, 3]));
  assert.equal(growing.runs.length, 1);
  for (let reader = 1; reader < 64; reader += 1) growing.add(run(`r${reader}`, 2 + reader, [1]));
  assert.throws(
    () => growing.add(run('one too many', 90, [1])),
    (error) => codeOf(error) === 'source-lied',
  );
  // However many others there are, what this node reads itself is taken.
  assert.ok(growing.read(91, hashes([7])));
  assert.equal(growing.readerOf(91), 'self');
});

test('what one node has kept by the word of another is bounded, however the runs overlap', () => {
  const growing = new GrowingManifest(DRAFT, 'self');
  const zeros = (count: number): number[] => Array.from({ length: count }, () => 0);
  let refused: unknown;
  for (let count = 1; count <= PIECES && refused === undefined; count += 1) {
    try {
      growing.add(run('a', 0, zeros(count)));
    } catch (error) {
      refused = error;
    }
  }
  assert.ok(refused instanceof ShoalError);
  assert.deepEqual(refused.fields, { sayer: 'a' });
  const kept = growing.runs.reduce((sum, one) => sum + one.hashes.length, 0);
  assert.ok(kept <= 2 * PIECES * 32, `${kept} bytes of hashes are kept for ${PIECES} pieces`);
  // What another says of the rest is taken.
  assert.ok(growing.add(run('b', 0, zeros(PIECES))).added.length > 0);
  assert.ok(growing.known.complete);
});

test('of a run that somebody else answers for the hashes are his word', () => {
  const growing = new GrowingManifest(DRAFT, 'self');
  growing.add(run('unknown', 0, [1, 2]), 'relayer');
  assert.equal(growing.readerOf(1), 'relayer');
  assert.equal(growing.add(run('unknown', 1, [3]), 'other').disputes[0]?.sayer, 'other');
});

test('hashes of pieces that the file does not have are a lie', () => {
  const growing = new GrowingManifest(DRAFT, 'self');
  assert.throws(
    () => growing.add(run('a', PIECES - 1, [1, 2])),
    (error) => codeOf(error) === 'source-lied',
  );
  assert.equal(growing.known.count, 0);
});

test('what is read here is signed once, in runs without gaps', () => {
  const growing = new GrowingManifest(DRAFT, 'self');
  for (const index of [4, 1, 0, 2]) assert.ok(growing.read(index, hashes([index])));
  assert.deepEqual(
    growing.takeUnsigned(2).map(({ first, hashes: some }) => [first, some.length / 32]),
    [
      [0, 2],
      [2, 1],
      [4, 1],
    ],
  );
  assert.deepEqual(growing.takeUnsigned(2), []);
  assert.equal(growing.read(4, hashes([5])), false);
  growing.add(run('a', 5, [5]));
  assert.ok(growing.read(5, hashes([5])));
  assert.deepEqual(growing.takeUnsigned(2), []);
  assert.equal(growing.readerOf(5), 'a');
});
