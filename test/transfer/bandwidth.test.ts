import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RateLimiter } from '../../src/transfer/bandwidth.ts';
import { Grant } from '../../src/transfer/grant.ts';
import { VirtualClock } from './virtual-clock.ts';

const signal = new AbortController().signal;

test('over any stretch of time no more passes than the rate allows, beside the burst and one taker', async () => {
  const takes = fc.array(fc.record({ bytes: fc.integer({ min: 1, max: 50_000 }), pauseMs: fc.nat(400) }), {
    minLength: 1,
    maxLength: 40,
  });
  await fc.assert(
    fc.asyncProperty(takes, fc.integer({ min: 1000, max: 1e6 }), async (plan, bytesPerSecond) => {
      const clock = new VirtualClock();
      const limiter = new RateLimiter({ bytesPerSecond }, { clock });
      const passed: { atMs: number; bytes: number }[] = [];
      const all: Promise<unknown>[] = [];
      for (const { bytes, pauseMs } of plan) {
        all.push(limiter.take(bytes, signal).then(() => passed.push({ atMs: clock.monotonic(), bytes })));
        await clock.advance(pauseMs);
      }
      await clock.drive(Promise.all(all));
      for (let from = 0; from < passed.length; from += 1) {
        let bytes = 0;
        for (let to = from; to < passed.length; to += 1) {
          const ms = passed[to]!.atMs - passed[from]!.atMs;
          assert.ok(bytes <= ((ms + 250) / 1000) * bytesPerSecond + 1, `${bytes} bytes in ${ms} ms`);
          bytes += passed[to]!.bytes;
        }
      }
    }),
    { numRuns: 50 },
  );
});

test('takers pass in the order in which they came', async () => {
  const clock = new VirtualClock();
  const limiter = new RateLimiter({ bytesPerSecond: 1000 }, { clock });
  const order: number[] = [];
  const take = (i: number): Promise<unknown> => limiter.take(500, signal).then(() => order.push(i));
  await clock.drive(Promise.all([0, 1, 2, 3, 4].map(take)));
  assert.deepEqual(order, [0, 1, 2, 3, 4]);
  assert.equal(clock.monotonic(), 1750);
});

test('who gives up takes nothing and leaves no timer', async () => {
  const clock = new VirtualClock();
  const limiter = new RateLimiter({ bytesPerSecond: 1000 }, { clock });
  await limiter.take(1000, signal);
  const gone = new AbortController();
  const waiting = limiter.take(1e9, gone.signal);
  gone.abort();
  await assert.rejects(waiting, { name: 'AbortError' });
  assert.equal(clock.sleeping, 0);
  await clock.drive(limiter.take(1, signal));
  assert.equal(clock.monotonic(), 750);
});

test('without a limit nobody waits, and a rate of nothing is refused', async () => {
  const clock = new VirtualClock();
  const limiter = new RateLimiter({ bytesPerSecond: Infinity }, { clock });
  for (let i = 0; i < 100; i += 1) await limiter.take(1e12, signal);
  assert.equal(clock.monotonic(), 0);
  assert.throws(() => limiter.setRate(0), RangeError);
  assert.throws(() => new RateLimiter({ bytesPerSecond: Number.NaN }, { clock }), RangeError);
});

test('downloads share a limiter piece by piece', async () => {
  const clock = new VirtualClock();
  const limiter = new RateLimiter({ bytesPerSecond: 1000 }, { clock });
  const counts = [0, 0, 0];
  const stop = new AbortController();
  const grants = counts.map((_, i) => {
    const use = (): void => {
      while (grants[i]!.ready(stop.signal)) {
        counts[i]! += 1;
        grants[i]!.use();
      }
    };
    return new Grant({ bytes: 500, onReady: use }, limiter);
  });
  for (const grant of grants) assert.equal(grant.ready(stop.signal), false);
  await clock.advance(30_000);
  stop.abort();
  await clock.advance(0);
  assert.equal(clock.sleeping, 0);
  assert.ok(Math.max(...counts) - Math.min(...counts) <= 1, counts.join(' '));
  assert.ok(counts[0]! >= 20);
});
