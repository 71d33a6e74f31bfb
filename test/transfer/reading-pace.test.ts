import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReadingPace } from '../../src/transfer/reading-pace.ts';

const WINDOW_MS = 3000;
const SICK = 100_000;

/** Lets each have a turn of one window at the given rate; who lost it. */
function losers(pace: ReadingPace, rates: readonly (readonly [string, number])[], fromMs = 0): string[] {
  let nowMs = fromMs;
  return rates.flatMap(([reader, bytesPerSecond]) => {
    pace.begin(reader);
    pace.told(reader, 0, nowMs);
    for (const end = nowMs + WINDOW_MS; nowMs < end; ) {
      nowMs += 500;
      pace.told(reader, bytesPerSecond / 2, nowMs);
    }
    return pace.isTooSlow(nowMs) ? [reader] : [];
  });
}

test('who reads less than any sound disk gives loses its turn, and keeps it lost however it goes on', () => {
  const pace = new ReadingPace({ windowMs: WINDOW_MS });
  assert.deepEqual(
    losers(pace, [
      ['a', 87_000],
      ['b', 100e6],
    ]),
    ['a'],
  );
  pace.has('a', 1, 20_000);
  assert.ok(pace.wasTooSlow('a'));
  assert.ok(!pace.wasTooSlow('b'));
  pace.forgive();
  assert.ok(!pace.wasTooSlow('a'));
});

test('when several in a row are slow it is the origin, and who reads as well as they did goes on', () => {
  const pace = new ReadingPace({ windowMs: WINDOW_MS });
  assert.deepEqual(
    losers(pace, [
      ['a', 1e6],
      ['b', 1e6],
      ['c', 1e6],
      ['d', 0.9e6],
    ]),
    ['a', 'b'],
  );
  // One that is sick beside them is found out nevertheless.
  assert.deepEqual(losers(pace, [['e', SICK]], 60_000), ['e']);
});

test('nothing is said of a turn before its first progress, nor by pieces that are counted twice', () => {
  const pace = new ReadingPace({ windowMs: WINDOW_MS });
  pace.begin('a');
  assert.ok(!pace.isTooSlow(100_000));
  pace.told('a', 0, 100_000);
  for (let nowMs = 100_500; nowMs <= 103_000; nowMs += 500) {
    // What is told and then announced is the same piece.
    pace.told('a', 0.75e6, nowMs);
    pace.has('a', 0.75e6, nowMs);
  }
  assert.ok(pace.isTooSlow(103_000));
});
