import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Arrival } from '../../src/flows/arrival.ts';

const STEP_MS = 250;

/** Bytes come at that rate, in lumps of a piece, until `untilMs`. */
function fed(bytesPerSecond: number, untilMs: number, options: { lumpBytes?: number; present?: number } = {}): Arrival {
  const { lumpBytes = 1, present = 0 } = options;
  const arrival = new Arrival();
  for (let nowMs = 10_000; nowMs <= 10_000 + untilMs; nowMs += STEP_MS) {
    const bytes = (bytesPerSecond * (nowMs - 10_000)) / 1000;
    arrival.sample(present + Math.floor(bytes / lumpBytes) * lumpBytes, nowMs);
  }
  return arrival;
}

test('at a steady rate the rest takes as long as it says, lumps or not', () => {
  for (const lumpBytes of [1, 250_000, 1_000_000]) {
    const etaMs = fed(1_000_000, 12_000, { lumpBytes }).etaMs(30_000_000, 22_000) ?? assert.fail('no estimate');
    assert.ok(Math.abs(etaMs - 30_000) < 3_000, `${etaMs} ms with lumps of ${lumpBytes}`);
  }
});

test('what was there before is no measure', () => {
  const etaMs = fed(1_000_000, 8_000, { present: 500_000_000 }).etaMs(10_000_000, 18_000) ?? assert.fail('no estimate');
  assert.ok(Math.abs(etaMs - 10_000) < 1_000, `${etaMs} ms`);
});

test('no estimate is given before anything is measured, and none when nothing moves', () => {
  assert.equal(new Arrival().etaMs(1, 0), undefined);
  assert.equal(fed(1_000_000, 750).etaMs(1_000, 10_750), undefined);
  const arrival = fed(1_000_000, 5_000);
  assert.ok(arrival.etaMs(1_000, 15_000) !== undefined);
  assert.equal(arrival.etaMs(1_000, 18_500), undefined, 'stalled for more than three seconds');
});

test('it follows a link that becomes slower', () => {
  const arrival = fed(1_000_000, 10_000);
  let bytes = 10_000_000;
  for (let nowMs = 20_250; nowMs <= 40_000; nowMs += STEP_MS) arrival.sample((bytes += 25_000), nowMs);
  const etaMs = arrival.etaMs(1_000_000, 40_000) ?? assert.fail('no estimate');
  assert.ok(Math.abs(etaMs - 10_000) < 5_000, `${etaMs} ms at 100 kB/s`);
});
