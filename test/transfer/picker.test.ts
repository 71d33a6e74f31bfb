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
import { seededRandom } from '../../src/util/random.ts';

interface Situation {
  readonly state: PickState;
  readonly sources: readonly PickSource[];
  readonly holders: readonly boolean[][];
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
    if (requests.length < 2) inFlight.set(index, [...requests, { sourceKey: `s${by}`, remainingMs }]);
  }
  const copies = (index: number): number =>
    plan.sources.filter((source) => source.kind === 'peer' && source.holds[index] === true).length;
  return {
    state: { pieceCount: plan.pieceCount, have, inFlight, copies, originPolicy: peersFirst },
    sources: plan.sources.map(({ kind, room, expectedMs, holds }, i) => {
      return { key: `s${i}`, kind, room, expectedMs, has: (index: number) => holds[index] === true };
    }),
    holders: plan.sources.map(({ holds }) => [...holds]),
  };
}

const find = ({ sources }: Situation, pick: Pick): PickSource => sources.find(({ key }) => key === pick.sourceKey)!;

/** Pieces neither here nor asked for that somebody could give, now or when there is room. */
function openPieces({ state, sources }: Situation): number[] {
  return [...new Array(state.pieceCount).keys()].filter(
    (index) =>
      !state.have.has(index) &&
      !state.inFlight.has(index) &&
      sources.some((source) => source.has(index) && (source.kind === 'peer' || state.copies(index) === 0)),
  );
}

test('what is picked is missing, held by the source, and the source has room', () => {
  fc.assert(
    fc.property(plans, fc.nat(), (plan, seed) => {
      const situation = situationOf(plan);
      const pick = pickNext(situation.state, situation.sources, seededRandom(seed));
      if (pick === undefined) return;
      const source = find(situation, pick);
      assert.ok(source.room > 0 && source.has(pick.index) && !situation.state.have.has(pick.index));
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

test('an open piece that a source with room may give is never left lying, and the rarest of them goes first', () => {
  fc.assert(
    fc.property(plans, fc.nat(), (plan, seed) => {
      const situation = situationOf(plan);
      const { state, sources } = situation;
      const givable = openPieces(situation).filter((index) =>
        sources.some((s) => s.room > 0 && s.has(index) && (s.kind === 'peer' || state.copies(index) === 0)),
      );
      const pick = pickNext(state, sources, seededRandom(seed));
      if (givable.length === 0) {
        assert.ok(pick === undefined || pick.endgame);
        return;
      }
      assert.ok(pick !== undefined && !pick.endgame);
      assert.equal(state.copies(pick.index), Math.min(...givable.map((index) => state.copies(index))));
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
        const pick = pickNext({ ...situation.state, inFlight }, sources, random);
        if (pick === undefined) break;
        room.set(pick.sourceKey, room.get(pick.sourceKey)! - 1);
        inFlight.set(pick.index, [...(inFlight.get(pick.index) ?? []), { sourceKey: pick.sourceKey, remainingMs: 0 }]);
        assert.ok(asked <= 12, 'more requests than there was room');
      }
      for (const requests of inFlight.values()) {
        assert.ok(requests.length <= 2);
        assert.equal(new Set(requests.map((request) => request.sourceKey)).size, requests.length);
      }
    }),
  );
});

test('ties are broken at random, each with the same chance, and the same way for the same seed', () => {
  const state: PickState = {
    pieceCount: 8,
    have: new Set<number>(),
    inFlight: new Map(),
    copies: (index) => (index < 4 ? 1 : 2),
    originPolicy: peersFirst,
  };
  const sources: PickSource[] = [{ key: 'a', kind: 'peer', room: 1, expectedMs: 0, has: () => true }];
  const random = seededRandom(42);
  const counts = new Array<number>(8).fill(0);
  for (let i = 0; i < 4000; i += 1) counts[pickNext(state, sources, random)!.index]! += 1;
  assert.deepEqual(counts.slice(4), [0, 0, 0, 0]);
  for (const count of counts.slice(0, 4)) assert.ok(count > 880 && count < 1120, counts.join(' '));
  const first = (seed: number): Pick | undefined => pickNext(state, sources, seededRandom(seed));
  assert.deepEqual(first(7), first(7));
});

test('another origin policy is obeyed', () => {
  const state: PickState = {
    pieceCount: 10,
    have: new Set<number>(),
    inFlight: new Map(),
    copies: () => 0,
    originPolicy: ({ index }) => (index === 6 ? 0 : undefined),
  };
  const origin: PickSource = { key: 'o', kind: 'origin', room: 1, expectedMs: 0, has: () => true };
  assert.deepEqual(pickNext(state, [origin], seededRandom(1)), { index: 6, sourceKey: 'o', endgame: false });
  const asked = { ...state, inFlight: new Map([[6, [{ sourceKey: 'o', remainingMs: 0 }]]]) };
  assert.equal(pickNext(asked, [origin], seededRandom(1)), undefined);
});
