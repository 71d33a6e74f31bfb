import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type OriginPolicy, type PickSource, type PickState, peersFirst, pickNext } from '../../src/transfer/picker.ts';
import { PieceSet } from '../../src/transfer/piece-set.ts';
import { Seeds } from '../../src/transfer/seeds.ts';
import { seededRandom } from '../../src/util/random.ts';

const PIECES = 8;
/** Only the seed has pieces 4 to 7; the others of them another peer has as well. */
const copies = (index: number): number => (index < 4 ? 2 : 1);
const ownsFive: OriginPolicy = ({ index, copies: elsewhere }) => (elsewhere === 0 && index === 5 ? 0 : undefined);

function peer(key: string, change: Partial<PickSource> = {}): PickSource {
  return { key, kind: 'peer', isSeed: false, room: 8, idle: false, expectedMs: 0, holding: 'all', ...change };
}

function scene(open: readonly number[]): { state: PickState; seeds: Seeds } {
  const set = PieceSet.of(PIECES, open);
  const seeds = new Seeds({ holdings: ['all'], copies, open: set });
  const seedPolicy = seeds.policy(ownsFive);
  const state = { open: set, inFlight: new Map(), copies, originPolicy: peersFirst, seedPolicy };
  return { state: { ...state, inOrder: false, readsOrigins: true }, seeds };
}

test('a seed is asked for the pieces that are this node’s to bring, before anybody else is asked', () => {
  const { state } = scene([...new Array(PIECES).keys()]);
  const other = peer('other', { holding: PieceSet.of(PIECES, [0, 1, 2, 3]) });
  const sources = [other, peer('seed', { isSeed: true })];
  assert.deepEqual(pickNext(state, sources, seededRandom(1)), { index: 5, sourceKey: 'seed', endgame: false });
  state.open.delete(5);
  for (let seed = 0; seed < 50; seed += 1)
    assert.equal(pickNext(state, sources, seededRandom(seed))?.sourceKey, 'other');
});

test('what others are to bring is waited for, and is no reason to ask twice for what is under way', () => {
  const { state } = scene([4, 6, 7]);
  const late = { sourceKey: 'other', remainingMs: 60_000, ageMs: 60_000, movable: true };
  const waiting = { ...state, inFlight: new Map([[0, [late]]]) };
  assert.equal(pickNext(waiting, [peer('seed', { isSeed: true, idle: true })], seededRandom(1)), undefined);
});

test('when the others have all that is missing here, a seed gives it like any peer', () => {
  const { state, seeds } = scene([0, 2]);
  const pick = pickNext(state, [peer('seed', { isSeed: true })], seededRandom(1));
  assert.ok(pick !== undefined && [0, 2].includes(pick.index));
  assert.equal(seeds.copiesElsewhere(0), 1);
  assert.equal(seeds.copiesElsewhere(4), 0);
});

test('a seed that has a part of it, as the reader of a file does, is counted where it holds a piece', () => {
  const open = PieceSet.of(PIECES, [0, 4]);
  const seeds = new Seeds({ holdings: [PieceSet.of(PIECES, [0])], copies: (index) => (index === 0 ? 1 : 0), open });
  assert.equal(seeds.copiesElsewhere(0), 0);
  assert.equal(seeds.copiesElsewhere(4), 0);
  // Piece 4 nobody has yet: it keeps nobody from asking for what is spread.
  const spread = new Seeds({ holdings: [PieceSet.of(PIECES, [0])], copies: (index) => (index === 0 ? 2 : 0), open });
  assert.equal(spread.policy(() => undefined)({ index: 0, copies: 2 }), 0);
});
