import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { OriginRule } from '../../src/transfer/origin-rule.ts';
import type { OriginPolicy } from '../../src/transfer/picker.ts';
import type { FakeSource } from './fake-source.ts';
import { PIECE, Scene } from './scene.ts';

const PIECES = 40;
const WITHHELD_MS = 1000;
const UNBOUND_MS = 3000;
const PIECE_MS = 200;
/** A piece after the other, in `PIECE_MS` each; it is there when what others hold is known. */
const SEED_LINE = { bytesPerSecond: PIECE / (PIECE_MS / 1000), latencyMs: 10 };
/** Of what is asked for at once, the second waits for the first; and the alarm rings after the moment. */
const SLACK_MS = 2 * PIECE_MS;

/** All pieces but these are for others to bring. */
function bringing(own: readonly number[]): OriginRule {
  const look = (): OriginPolicy => (piece) => (own.includes(piece.index) ? piece.index : undefined);
  return { wakeMs: -Infinity, gained: () => undefined, look };
}

/** When the source was asked, cut where it was not asked for most of a second. */
function spellsOf({ asks }: FakeSource): { readonly firstMs: number; readonly lastMs: number }[] {
  const spells: { firstMs: number; lastMs: number }[] = [];
  for (const { atMs } of asks) {
    const spell = spells.at(-1);
    if (spell !== undefined && atMs - spell.lastMs < WITHHELD_MS - 1) spell.lastMs = atMs;
    else spells.push({ firstMs: atMs, lastMs: atMs });
  }
  return spells;
}

test('a node with nothing to ask for asks the seed, after a second, for what was to come by others, for three seconds', async () => {
  const scene = new Scene({ seed: 3, pieces: PIECES, originRule: bringing([]) });
  // It fetches as well, and never has anything.
  const other = scene.peer('other', { latencyMs: 0 }, []);
  const seed = scene.peer('seed', SEED_LINE);
  await scene.run();
  assert.equal(other.asks.length, 0);
  assert.ok(scene.asksPerPiece().every((asks) => asks === 1));
  const spells = spellsOf(seed);
  assert.ok(spells.length >= 3, `${spells.length} spells`);
  assert.equal(spells[0]?.firstMs, WITHHELD_MS, 'it waits first');
  for (const [at, { firstMs, lastMs }] of spells.entries()) {
    const isLast = at === spells.length - 1;
    // A piece that comes and goes between two looks is not seen: the node had nothing under way at either.
    assert.ok(lastMs - firstMs <= UNBOUND_MS + PIECE_MS + SEED_LINE.latencyMs, `${lastMs - firstMs} ms is too long`);
    assert.ok(isLast || lastMs - firstMs >= UNBOUND_MS - SLACK_MS, `${lastMs - firstMs} ms is too short`);
    // Then it waits for others again, from when the last piece has come.
    const before = spells[at - 1]?.lastMs;
    if (before === undefined) continue;
    const pauseMs = firstMs - before;
    assert.ok(pauseMs >= WITHHELD_MS + PIECE_MS && pauseMs <= WITHHELD_MS + PIECE_MS + SLACK_MS, `${pauseMs} ms`);
  }
});

test('what a node is to bring itself it asks of the seed at once, and of the rest nothing while others give something', async () => {
  const scene = new Scene({ seed: 4, pieces: PIECES, originRule: bringing([3, 7]) });
  // Twelve come from the other, as quickly as from the seed: one much quicker is asked for that reason alone.
  const theirs = Array.from({ length: 12 }, (_, n) => 20 + n);
  const busyMs = theirs.length * PIECE_MS;
  const other = scene.peer('other', { ...SEED_LINE, latencyMs: 0 }, theirs);
  const seed = scene.peer('seed', SEED_LINE);
  await scene.run();
  assert.deepEqual(other.asks.map(({ index }) => index).toSorted(), theirs);
  const early = seed.asks.filter(({ atMs }) => atMs < busyMs + WITHHELD_MS);
  assert.deepEqual(
    early.map(({ index }) => index),
    [3, 7],
  );
  assert.ok((early[0]?.atMs ?? Infinity) < 50);
  const rest = seed.asks[early.length]?.atMs ?? Infinity;
  assert.ok(rest <= busyMs + WITHHELD_MS + SLACK_MS, `${rest} ms`);
});

test('a node to which pieces come one by one, each at once, is not idle', async () => {
  const scene = new Scene({ seed: 5, pieces: PIECES, originRule: bringing([]) });
  const other = scene.peer('other', { bytesPerSecond: 1e9, latencyMs: 0 }, []);
  const seed = scene.peer('seed', SEED_LINE);
  const brought = [0, 1, 2, 3, 4, 5];
  const run = scene.run();
  for (const index of brought) {
    await scene.clock.sleep(WITHHELD_MS - 100, scene.stop.signal);
    other.gain(index);
  }
  const lastMs = scene.clock.monotonic();
  await run;
  assert.deepEqual(
    other.asks.map(({ index }) => index),
    brought,
  );
  const firstMs = seed.asks[0]?.atMs ?? 0;
  assert.ok(firstMs >= lastMs + WITHHELD_MS && firstMs <= lastMs + WITHHELD_MS + SLACK_MS, `${firstMs - lastMs} ms`);
});
