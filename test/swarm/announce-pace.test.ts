import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AnnouncePace } from '../../src/swarm/announce-pace.ts';

/** When announcements go out while a new model comes every `everyMs`. */
function timesOf(pace: AnnouncePace, options: { entries: number; everyMs: number; forMs: number; fromMs?: number }) {
  const { entries, everyMs, forMs, fromMs = 0 } = options;
  const times: number[] = [];
  for (let now = fromMs; now < fromMs + forMs; now += 1) {
    if (now % everyMs === 0) pace.add(1, now);
    if (now < pace.dueMs) continue;
    times.push(now);
    pace.announced(entries, now);
  }
  return times;
}

function quiet(): AnnouncePace {
  const pace = new AnnouncePace();
  pace.announced(10_000, -60_000);
  return pace;
}

const gaps = (times: readonly number[]): number[] => times.slice(1).map((time, at) => time - times[at]!);

test('at the start there is something to announce, and after that nothing', () => {
  const pace = new AnnouncePace();
  assert.equal(pace.dueMs, 0);
  pace.announced(0, 0);
  assert.equal(pace.dueMs, Infinity);
});

test('while models come without end announcements become rarer, the more so the larger the record', () => {
  const large = gaps(timesOf(quiet(), { entries: 10_000, everyMs: 50, forMs: 40_000 }));
  assert.ok(large[0]! <= 120, `the second after ${large[0]} ms`);
  assert.deepEqual(new Set(large.slice(-2)), new Set([5_000]));
  const small = gaps(timesOf(quiet(), { entries: 100, everyMs: 20, forMs: 2_000 }));
  assert.ok(
    small.every((gap) => gap <= 80),
    small.join(' '),
  );
  const largest = gaps(timesOf(quiet(), { entries: 100_000, everyMs: 100, forMs: 60_000 }));
  assert.equal(Math.max(...largest), 5_000);
});

test('a model that comes after quiet is announced at once, also after a long burst', () => {
  const pace = quiet();
  const burst = timesOf(pace, { entries: 10_000, everyMs: 50, forMs: 40_000 });
  const after = burst.at(-1)! + 20_000;
  pace.announced(10_000, after - 5_000);
  assert.deepEqual(timesOf(pace, { entries: 10_000, everyMs: 1_000, forMs: 3_000, fromMs: after }).slice(0, 1), [
    Math.ceil(after / 1_000) * 1_000 + 50,
  ]);
  const single = timesOf(quiet(), { entries: 10_000, everyMs: 1_000, forMs: 5_000 });
  assert.deepEqual(single, [50, 1_050, 2_050, 3_050, 4_050], 'one a second is no burst');
});

test('what others wait for does not wait, however large the record', () => {
  const pace = quiet();
  const burst = timesOf(pace, { entries: 10_000, everyMs: 50, forMs: 40_000 });
  const now = burst.at(-1)! + 10;
  pace.add(1, now);
  assert.ok(pace.dueMs > now + 1_000);
  pace.hurry(now);
  assert.equal(pace.dueMs, now + 50);
});

test('as many as fill a delta go out before everybody has to ask for the record', () => {
  const pace = quiet();
  const burst = timesOf(pace, { entries: 10_000, everyMs: 50, forMs: 40_000 });
  const now = burst.at(-1)! + 5_000;
  pace.announced(10_000, now);
  pace.add(199, now);
  assert.ok(pace.dueMs > now + 1_000);
  pace.add(1, now);
  assert.equal(pace.dueMs, now + 50);
});

test('a change that is none after all leaves nothing to announce', () => {
  const pace = quiet();
  pace.add(1, 0);
  pace.nothing();
  assert.equal(pace.dueMs, Infinity);
});
