import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type Pick,
  type PickRequest,
  type PickSource,
  type PickState,
  peersFirst,
  pickNext,
} from '../../src/transfer/picker.ts';
import { PieceSet } from '../../src/transfer/piece-set.ts';
import { isHeld } from '../../src/transfer/rarity.ts';
import { seededRandom } from '../../src/util/random.ts';

interface Situation {
  readonly state: PickState;
  readonly sources: readonly PickSource[];
  readonly holders: readonly boolean[][];
  readonly have: ReadonlySet<number>;
  readonly pieceCount: number;
}

interface Plan {
  readonly pieceCount: number;
  readonly have: readonly number[];
  readonly asked: readonly { index: number; by: number; remainingMs: number }[];
  readonly sources: readonly { kind: 'peer' | 'origin'; room: number; expectedMs: number; holds: readonly boolean[] }[];
}

const plans: fc.Arbitrary<Plan> = fc.integer({ min: 1, max: 24 }).chain((pieceCount) => {
  const index = fc.nat(pieceCount - 1);
  return fc.record({
    pieceCount: fc.constant(pieceCount),
    have: fc.uniqueArray(index),
    asked: fc.uniqueArray(
      fc.record({ index, by: fc.nat(6), remainingMs: fc.constantFrom(0, 100, 1000, 100_000, Infinity) }),
      { selector: (ask) => `${ask.index} ${ask.by}` },
    ),
    sources: fc.array(
      fc.record({
        kind: fc.constantFrom('peer' as const, 'peer' as const, 'origin' as const),
        room: fc.nat(2),
        expectedMs: fc.constantFrom(0, 10, 1000, Infinity),
        holds: fc.array(fc.boolean(), { minLength: pieceCount, maxLength: pieceCount }),
      }),
      { maxLength: 6 },
    ),
  });
});

function situationOf(plan: Plan): Situation {
  const have = new Set(plan.have);
  const inFlight = new Map<number, PickRequest[]>();
  for (const { index, by, remainingMs } of plan.asked) {
    if (have.has(index) || by >= plan.sources.length) continue;
    const requests = inFlight.get(index) ?? [];
    if (requests.length < 2)
      inFlight.set(index, [...requests, { sourceKey: `s${by}`, remainingMs, ageMs: 5000, movable: false }]);
  }
  const copies = (index: number): number =>
    plan.sources.filter((source) => source.kind === 'peer' && source.holds[index] === true).length;
  return {
    state: {
      open: openOf(plan.pieceCount, have, inFlight),
      inFlight,
      copies,
      originPolicy: peersFirst,
      inOrder: false,
      readsOrigins: true,
    },
    sources: plan.sources.map(({ kind, room, expectedMs, holds }, i) => {
      return { key: `s${i}`, kind, isSeed: false, room, expectedMs, idle: false, holding: holdingOf(holds) };
    }),
    holders: plan.sources.map(({ holds }) => [...holds]),
    have,
    pieceCount: plan.pieceCount,
  };
}

function holdingOf(holds: readonly boolean[]): PieceSet {
  return PieceSet.of(
    holds.length,
    [...holds.keys()].filter((index) => holds[index] === true),
  );
}

const askedOf = (sourceKey: string): PickRequest => ({ sourceKey, remainingMs: 0, ageMs: 0, movable: false });

function openOf(pieceCount: number, have: ReadonlySet<number>, inFlight: ReadonlyMap<number, unknown>): PieceSet {
  const open = [...new Array(pieceCount).keys()].filter((index) => !have.has(index) && !inFlight.has(index));
  return PieceSet.of(pieceCount, open);
}

const find = ({ sources }: Situation, pick: Pick): PickSource => sources.find(({ key }) => key === pick.sourceKey)!;

/** Pieces neither here nor asked for that somebody could give, now or when there is room. */
function openPieces({ state, sources, have, pieceCount }: Situation): number[] {
  return [...new Array(pieceCount).keys()].filter(
    (index) =>
      !have.has(index) &&
      !state.inFlight.has(index) &&
      sources.some((source) => isHeld(source.holding, index) && (source.kind === 'peer' || state.copies(index) === 0)),
  );
}

test('what is picked is missing, held by the source, and the source has room', () => {
  fc.assert(
    fc.property(plans, fc.nat(), (plan, seed) => {
      const situation = situationOf(plan);
      const pick = pickNext(situation.state, situation.sources, seededRandom(seed));
      if (pick === undefined) return;
      const source = find(situation, pick);
      assert.ok(source.room > 0 && isHeld(source.holding, pick.index) && !situation.have.has(pick.index));
    }),
    { numRuns: 1000 },
  );
});

test('nobody is asked a second time for a piece before the endgame, and then only one other that is much quicker', () => {
  fc.assert(
    fc.property(plans, fc.nat(), (plan, seed) => {
      const situation = situationOf(plan);
      const pick = pickNext(situation.state, situation.sources, seededRandom(seed));
      if (pick === undefined) return;
      const requests = situation.state.inFlight.get(pick.index) ?? [];
      assert.equal(requests.length > 0, pick.endgame);
      if (!pick.endgame) return;
      assert.deepEqual(openPieces(situation), [], 'not the endgame yet');
      assert.equal(requests.length, 1);
      assert.notEqual(requests[0]!.sourceKey, pick.sourceKey);
      assert.ok(requests[0]!.remainingMs > 2 * find(situation, pick).expectedMs);
    }),
    { numRuns: 2000 },
  );
});

test('an open piece that a source with room may give is never left lying, and of what the source has the rarest or the first is asked', () => {
  fc.assert(
    fc.property(plans, fc.nat(), (plan, seed) => {
      const situation = situationOf(plan);
      const { state, sources } = situation;
      const givable = openPieces(situation).filter((index) =>
        sources.some((s) => s.room > 0 && isHeld(s.holding, index) && (s.kind === 'peer' || state.copies(index) === 0)),
      );
      const pick = pickNext(state, sources, seededRandom(seed));
      if (givable.length === 0) {
        assert.ok(pick === undefined || pick.endgame);
        return;
      }
      assert.ok(pick !== undefined && !pick.endgame);
      const source = find(situation, pick);
      const offered = givable.filter(
        (i) => isHeld(source.holding, i) && (source.kind === 'peer' || state.copies(i) === 0),
      );
      const rarest = Math.min(...offered.map((index) => state.copies(index)));
      const isFirst = source.kind === 'peer' && pick.index === Math.min(...offered);
      assert.ok(isFirst || state.copies(pick.index) === rarest);
    }),
    { numRuns: 2000 },
  );
});

test('before the endgame an origin is asked only for what no usable peer holds', () => {
  fc.assert(
    fc.property(plans, fc.nat(), (plan, seed) => {
      const situation = situationOf(plan);
      const pick = pickNext(situation.state, situation.sources, seededRandom(seed));
      if (pick === undefined || pick.endgame || find(situation, pick).kind === 'peer') return;
      assert.equal(situation.state.copies(pick.index), 0);
    }),
    { numRuns: 1000 },
  );
});

test('asking until there is nothing left to ask ends, with at most two requests for a piece', () => {
  fc.assert(
    fc.property(plans, fc.nat(), (plan, seed) => {
      const situation = situationOf(plan);
      const random = seededRandom(seed);
      const inFlight = new Map(situation.state.inFlight);
      const room = new Map(situation.sources.map((source) => [source.key, source.room]));
      const sources = situation.sources.map((source) => ({
        ...source,
        get room() {
          return room.get(source.key)!;
        },
      }));
      for (let asked = 0; ; asked += 1) {
        const open = openOf(situation.pieceCount, situation.have, inFlight);
        const pick = pickNext({ ...situation.state, open, inFlight }, sources, random);
        if (pick === undefined) break;
        room.set(pick.sourceKey, room.get(pick.sourceKey)! - 1);
        inFlight.set(pick.index, [...(inFlight.get(pick.index) ?? []), askedOf(pick.sourceKey)]);
        assert.ok(asked <= 12, 'more requests than there was room');
      }
      for (const requests of inFlight.values()) {
        assert.ok(requests.length <= 2);
        assert.equal(new Set(requests.map((request) => request.sourceKey)).size, requests.length);
      }
    }),
  );
});

test('of the pieces asked of a peer most are the rarest, and every fourth the first: ties are broken at random, the same way for the same seed', () => {
  const state: PickState = {
    open: PieceSet.of(8, new Array(8).keys()),
    inFlight: new Map(),
    copies: (index) => (index < 4 ? 2 : 1),
    originPolicy: peersFirst,
    inOrder: false,
    readsOrigins: true,
  };
  const sources: PickSource[] = [
    { key: 'a', kind: 'peer', isSeed: false, room: 1, idle: false, expectedMs: 0, holding: 'all' },
  ];
  const random = seededRandom(42);
  const counts = new Array<number>(8).fill(0);
  for (let i = 0; i < 4000; i += 1) counts[pickNext(state, sources, random)!.index]! += 1;
  const [first = 0, ...others] = counts;
  assert.ok(first > 880 && first < 1120, counts.join(' '));
  assert.deepEqual(others.slice(0, 3), [0, 0, 0]);
  for (const count of others.slice(3)) assert.ok(count > 640 && count < 860, counts.join(' '));
  const pickBy = (seed: number): Pick | undefined => pickNext(state, sources, seededRandom(seed));
  assert.deepEqual(pickBy(7), pickBy(7));
});

test('another origin policy is obeyed', () => {
  const state: PickState = {
    open: PieceSet.of(10, new Array(10).keys()),
    inFlight: new Map(),
    copies: () => 0,
    originPolicy: ({ index }) => (index === 6 ? 0 : undefined),
    inOrder: false,
    readsOrigins: true,
  };
  const origin: PickSource = {
    key: 'o',
    kind: 'origin',
    isSeed: false,
    room: 1,
    idle: false,
    expectedMs: 0,
    holding: 'all',
  };
  assert.deepEqual(pickNext(state, [origin], seededRandom(1)), { index: 6, sourceKey: 'o', endgame: false });
  state.open.delete(6);
  const all = { ...state, inFlight: new Map([[6, [askedOf('o')]]]) };
  assert.equal(pickNext(all, [origin], seededRandom(1)), undefined);
});

test('what waits in line at a busy peer is moved to an idle one that holds it too, and would have given it by now', () => {
  const waiting = { sourceKey: 'busy', remainingMs: 500, ageMs: 300, movable: true };
  const state = (request: PickRequest): PickState => ({
    open: new PieceSet(8),
    inFlight: new Map([[3, [request]]]),
    copies: () => 2,
    originPolicy: peersFirst,
    inOrder: false,
    readsOrigins: true,
  });
  const idle: PickSource = {
    key: 'idle',
    kind: 'peer',
    isSeed: false,
    room: 0,
    idle: true,
    expectedMs: 100,
    holding: 'all',
  };
  const moved = { index: 3, sourceKey: 'idle', endgame: false, insteadOf: 'busy' };
  assert.deepEqual(pickNext(state(waiting), [idle], seededRandom(1)), moved);
  assert.equal(pickNext(state({ ...waiting, movable: false }), [idle], seededRandom(1)), undefined);
  assert.equal(pickNext(state({ ...waiting, ageMs: 150 }), [idle], seededRandom(1)), undefined);
  assert.equal(pickNext(state(waiting), [{ ...idle, holding: new PieceSet(0) }], seededRandom(1)), undefined);
});
