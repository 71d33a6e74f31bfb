import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RateMeter, SourcePace } from '../../src/transfer/pace.ts';

const about = (actual: number, expected: number, share = 0.05): void =>
  assert.ok(Math.abs(actual / expected - 1) <= share, `${actual} is not about ${expected}`);

test('a rate is right from the first second and follows a change within seconds', () => {
  const meter = new RateMeter(2000);
  assert.equal(meter.bytesPerSecond(0), 0);
  meter.start(0);
  let nowMs = 0;
  const run = (bytesPerSecond: number, untilMs: number): void => {
    for (; nowMs < untilMs; ) {
      nowMs += 10;
      meter.add(bytesPerSecond / 100, nowMs);
    }
  };
  run(1e6, 500);
  about(meter.bytesPerSecond(nowMs), 1e6);
  run(1e6, 5000);
  about(meter.bytesPerSecond(nowMs), 1e6);
  run(5e6, 13_000);
  about(meter.bytesPerSecond(nowMs), 5e6);
  assert.ok(meter.bytesPerSecond(nowMs + 20_000) < 1000, 'and fades in silence');
});

test('the time in which nothing was asked for does not slow a source', () => {
  const pace = new SourcePace();
  pace.busy(0);
  for (let ms = 10; ms <= 1000; ms += 10) pace.received(10_000, ms);
  pace.pieceDone(0);
  pace.idle(1000);
  about(pace.bytesPerSecond(60_000), 1e6);
});

test('the wait behind earlier pieces is no round trip, so that windows do not feed on themselves', () => {
  const pace = new SourcePace();
  pace.busy(0);
  pace.firstByte(20, 0, 20);
  for (let ms = 21; ms <= 1020; ms += 1) pace.received(1000, ms);
  pace.pieceDone(1);
  // 500 kB ahead of it at 1 MB/s take half a second.
  pace.firstByte(520, 500_000, 1020);
  const { roundTripMs = 0 } = pace.at(1020);
  assert.ok(roundTripMs > 5 && roundTripMs < 60, `${roundTripMs}`);
});

test('nothing is told before a first piece has come', () => {
  const pace = new SourcePace();
  pace.busy(0);
  pace.received(1000, 10);
  assert.deepEqual(pace.at(10), { bytesPerSecond: undefined, roundTripMs: undefined });
});
