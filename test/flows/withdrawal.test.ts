import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withdrawalTold } from '../../src/flows/withdrawal.ts';
import { collectLog } from '../support/collect-log.ts';
import { VirtualClock } from '../transfer/virtual-clock.ts';

const never = new AbortController().signal;

/** How long a deletion waits when gossip and each orchestrator take so long to be told. */
async function waited(gossipMs: number, orchestratorsMs: readonly number[]): Promise<{ ms: number; warnings: number }> {
  const clock = new VirtualClock();
  const { log, lines } = collectLog();
  const told = (ms: number) => (withinMs: number) =>
    clock.sleep(Math.min(ms, withinMs), never).then(() => ms <= withinMs);
  const work = withdrawalTold('m', {
    orchestrators: orchestratorsMs.map((ms) => ({
      told: told(ms),
      view: () => ({ url: 'http://o/', registered: true }),
    })),
    gossip: { flushed: () => clock.sleep(gossipMs, never) },
    clock,
    log,
  });
  await clock.drive(work.then(() => undefined));
  await new Promise((resolve) => setImmediate(resolve));
  return { ms: clock.monotonic(), warnings: lines.filter(({ level }) => level === 'warn').length };
}

test('a deletion waits for the announcement and for every orchestrator, side by side', async () => {
  assert.deepEqual(await waited(50, []), { ms: 150, warnings: 0 });
  assert.deepEqual(await waited(50, [20, 700]), { ms: 700, warnings: 0 });
});

test('whoever does not answer holds it up for a second, and the log says which', async () => {
  assert.deepEqual(await waited(50, [20, 5_000]), { ms: 1_000, warnings: 1 });
  assert.deepEqual(await waited(60_000, []), { ms: 600, warnings: 0 });
});
