import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HELP_RANK, type OriginLook, OriginShare, type OriginShareOptions } from '../../src/transfer/origin-share.ts';

const SHA = '5e'.repeat(32);
const PIECES = 400;
const ALL = [...new Array(PIECES).keys()];

function shareOf(self: string, fetchers: readonly string[], options: Partial<OriginShareOptions> = {}): OriginShare {
  const company = { fetchers: () => fetchers, hasCompany: () => false };
  return new OriginShare({ sha256: SHA, pieceCount: PIECES, self, ...company, ...options });
}

function look(nowMs: number, change: Partial<OriginLook> = {}): OriginLook {
  const seen = { isMissingEverywhere: () => true, isNeighbour: () => true, isWatched: () => true };
  return { nowMs, starvedMs: 0, pieceMs: 0, ...seen, ...change };
}

/** Own pieces have ranks below those of the pieces that a node helps with. */
function own(share: OriginShare, nowMs: number, change?: Partial<OriginLook>): number[] {
  const policy = share.look(look(nowMs, change));
  return ALL.filter((index) => (policy({ index, copies: 0 }) ?? Infinity) <= HELP_RANK);
}

test('every piece belongs to exactly one of the nodes that fetch', () => {
  const nodes = ['a', 'b', 'c', 'd'];
  const parts = nodes.map((node) => own(shareOf(node, nodes), 0));
  assert.deepEqual(
    parts.flat().toSorted((x, y) => x - y),
    ALL,
  );
  for (const part of parts) assert.ok(part.length > 60 && part.length < 140, `${part.length}`);
});

test('a node alone reads everything, and first what would be its own in company', () => {
  const company = ['a', 'b', 'c', 'd'];
  const alone = shareOf('a', ['a']).look(look(0));
  const order = ALL.toSorted((x, y) => alone({ index: x, copies: 0 })! - alone({ index: y, copies: 0 })!);
  const mine = new Set(own(shareOf('a', company), 0));
  assert.equal(own(shareOf('a', ['a']), 0).length, PIECES);
  // Four that begin together and do not know of each other yet read hardly any piece twice.
  const begun = order.slice(0, 40).filter((index) => mine.has(index));
  assert.ok(begun.length >= 30, `${begun.length} of 40`);
});

test('readers that know of each other go through the file together, and so does one that has been alone for long', () => {
  const orderOf = (share: OriginShare, nowMs: number): number[] => {
    const policy = share.look(look(nowMs));
    return own(share, nowMs).toSorted((x, y) => policy({ index: x, copies: 0 })! - policy({ index: y, copies: 0 })!);
  };
  const farthest = (order: readonly number[]): number => Math.max(...order.slice(0, order.length / 2));
  const inCompany = orderOf(shareOf('a', ['a', 'b', 'c', 'd']), 0);
  assert.ok(farthest(inCompany) < PIECES * 0.65, `${farthest(inCompany)}`);
  assert.notDeepEqual(
    inCompany.toSorted((x, y) => x - y),
    inCompany,
    'within a step each has its own order',
  );
  const alone = shareOf('a', ['a']);
  assert.ok(farthest(orderOf(alone, 0)) > PIECES * 0.9);
  assert.ok(farthest(orderOf(alone, 3000)) < PIECES * 0.55);
});

test('what was assigned to a node that makes no progress is read by the others after three seconds', () => {
  const share = shareOf('a', ['a', 'b']);
  const before = own(share, 0);
  share.gained('b', 2000);
  assert.deepEqual(own(share, 4900), before);
  assert.equal(own(share, 5100).length, PIECES);
  share.gained('b', 5200);
  assert.deepEqual(own(share, 5300), before);
});

test('of a node that is no neighbour nothing is known, and its pieces are left to it', () => {
  const share = shareOf('a', ['a', 'b']);
  const before = own(share, 0);
  assert.deepEqual(own(share, 60_000, { isNeighbour: () => false }), before);
});

test('what a peer holds is not read from an origin, and in the endgame only when it is very late', () => {
  const policy = shareOf('a', ['a']).look(look(0));
  assert.equal(policy({ index: 1, copies: 1 }), undefined);
  assert.equal(policy({ index: 1, copies: 1, lateMs: 1000 }), undefined);
  assert.notEqual(policy({ index: 1, copies: 1, lateMs: 3000 }), undefined);
});

test('a quicker node helps a slower one from its far end, but not with the last pieces', () => {
  const share = shareOf('a', ['a', 'b']);
  const mine = new Set(own(share, 0));
  const theirs = ALL.filter((index) => !mine.has(index));
  const other = shareOf('b', ['a', 'b']).look(look(0));
  const order = theirs.toSorted((x, y) => other({ index: x, copies: 0 })! - other({ index: y, copies: 0 })!);
  const policy = share.look(look(0, { isMissingEverywhere: (index) => !mine.has(index) }));
  const helped = theirs.toSorted((x, y) => policy({ index: x, copies: 0 })! - policy({ index: y, copies: 0 })!);
  assert.deepEqual(helped, order.toReversed());
  const last = new Set(order.slice(-4));
  const end = share.look(look(0, { isMissingEverywhere: (index) => last.has(index) }));
  for (const index of last) assert.equal(end({ index, copies: 0 }), undefined);
});

test('of very many nodes a few read, and more when a node has had nothing to do for long', () => {
  const nodes = ALL.map((index) => `node-${index}`);
  const readers = nodes.filter((node) => own(shareOf(node, nodes), 0).length > 0);
  assert.equal(readers.length, 8);
  const starved = nodes.filter((node) => own(shareOf(node, nodes), 0, { starvedMs: 6500 }).length > 0);
  assert.equal(starved.length, 32);
  for (const node of readers) assert.ok(starved.includes(node));
});

test('a node that begins in company waits a moment for news of the others', () => {
  const share = shareOf('a', ['a'], { hasCompany: () => true });
  assert.equal(own(share, 1000).length, 0);
  assert.equal(own(share, share.wakeMs).length, PIECES);
});
