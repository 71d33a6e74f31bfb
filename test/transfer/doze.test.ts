import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DozeLength } from '../../src/transfer/worker/doze.ts';

/** A line that brings so much, to a worker that a packet wakes at once and that sleeps as it is told. */
function follow(options: {
  bytesPerMs: number;
  ms: number;
  capBytes?: number;
  packetBytes?: number;
  from?: DozeLength;
}) {
  const { bytesPerMs, ms, capBytes = Infinity, packetBytes = 3000 } = options;
  const length = options.from ?? new DozeLength();
  let wakes = 0;
  let bytes = 0;
  let longestMs = 0;
  let piledUp = 0;
  for (let nowMs = 0; nowMs < ms; wakes += 1) {
    nowMs += packetBytes / bytesPerMs;
    bytes += packetBytes + piledUp;
    const dozeMs = length.afterTurn(packetBytes + piledUp, nowMs);
    longestMs = Math.max(longestMs, dozeMs);
    nowMs += dozeMs;
    // What comes meanwhile waits in the socket, as far as that holds it.
    piledUp = Math.min(capBytes, dozeMs * bytesPerMs);
  }
  return { wakes, bytesPerMs: bytes / ms, longestMs };
}

test('a slow line wakes the worker fifty times a second and not for each packet', () => {
  const { wakes, longestMs } = follow({ bytesPerMs: 2500, ms: 4000 });
  assert.ok(wakes < 4 * 100, `${wakes} wakes in 4 s`);
  assert.ok(longestMs <= 20, `slept ${longestMs} ms`);
});

test('a quick line is never left alone', () => {
  const { longestMs } = follow({ bytesPerMs: 300_000, ms: 2000, packetBytes: 16_384 });
  assert.equal(longestMs, 0);
});

test('sockets that hold little do not make the sleep longer and longer', () => {
  // The sockets hold less than what comes in one sleep: what is measured while sleeping would be the sleep's own rate.
  const { bytesPerMs } = follow({ bytesPerMs: 20_000, ms: 4000, capBytes: 64 * 1024 });
  assert.ok(bytesPerMs > 8000, `${bytesPerMs} bytes/ms of 20,000`);
});

test('a line that becomes quick is followed within a sleep or two', () => {
  const from = new DozeLength();
  let nowMs = 0;
  while (nowMs < 1000) nowMs += 1 + from.afterTurn(2500, nowMs);
  let slept = 0;
  for (let turn = 0; turn < 20; turn += 1) {
    const ms = from.afterTurn(1024 * 1024, nowMs);
    slept += ms;
    nowMs += 3 + ms;
  }
  assert.ok(slept <= 20, `slept ${slept} ms more`);
});

test('who comes after a pause is not kept waiting', () => {
  const length = new DozeLength();
  let nowMs = 0;
  // Until the rate has just been looked at and is believed for the longest time.
  for (let dozeMs = 0; nowMs < 2000 || dozeMs === 0; ) {
    dozeMs = length.afterTurn(2500, nowMs);
    nowMs += 1 + dozeMs;
  }
  assert.equal(length.afterTurn(100, nowMs + 300), 0);
  assert.equal(length.afterTurn(100, nowMs + 305), 0);
});
