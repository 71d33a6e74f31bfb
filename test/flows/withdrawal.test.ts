import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BELIEVED_MS } from '../../src/flows/told-state.ts';
import { withdrawalTold } from '../../src/flows/withdrawal.ts';
import { collectLog } from '../support/collect-log.ts';
import { VirtualClock } from '../transfer/virtual-clock.ts';

const never = new AbortController().signal;

/** How long a deletion waits when gossip and each orchestrator take so long to be told; Infinity: it never answers. */
async function waited(
  gossipMs: number,
  orchestratorsMs: readonly number[],
): Promise<{ ms: number; waits: number; unheard: number }> {
  const clock = new VirtualClock();
  const { log, lines } = collectLog();
  const told = (ms: number) => async () => {
    await clock.sleep(Math.min(ms, BELIEVED_MS), never);
    return ms <= BELIEVED_MS;
  };
  const work = withdrawalTold(
    'm',
    {
      orchestrators: orchestratorsMs.map((ms) => ({
        told: told(ms),
        view: () => ({ url: 'http://o/', registered: true }),
      })),
      gossip: { flushed: () => clock.sleep(gossipMs, never) },
      clock,
      log,
    },
    never,
  );
  await clock.drive(work);
  await new Promise((resolve) => setImmediate(resolve));
  const count = (words: RegExp): number => lines.filter(({ level, msg }) => level === 'warn' && words.test(msg)).length;
  return { ms: clock.monotonic(), waits: count(/deletion waits/), unheard: count(/without the word/) };
}

test('a deletion waits for the announcement and for every orchestrator, side by side', async () => {
  assert.deepEqual(await waited(50, []), { ms: 150, waits: 0, unheard: 0 });
  assert.deepEqual(await waited(50, [20, 700]), { ms: 700, waits: 0, unheard: 0 });
  assert.deepEqual(await waited(60_000, []), { ms: 600, waits: 0, unheard: 0 }, 'but for gossip not without end');
});

test('it waits for as long as an orchestrator may believe the old state and no longer, and the log says so', async () => {
  assert.deepEqual(await waited(50, [20, 5_000]), { ms: 5_000, waits: 1, unheard: 0 });
  assert.deepEqual(await waited(50, [20, Infinity]), { ms: BELIEVED_MS, waits: 1, unheard: 1 });
});

test('a daemon that ends waits no longer, and deletes nothing', async () => {
  const clock = new VirtualClock();
  const ending = new AbortController();
  const { log, lines } = collectLog();
  const told = (signal: AbortSignal) => clock.sleep(Infinity, signal).then(() => true);
  const orchestrators = [{ told, view: () => ({ url: 'http://o/', registered: true }) }];
  const parts = { orchestrators, gossip: { flushed: () => Promise.resolve() }, clock, log };
  const work = withdrawalTold('m', parts, ending.signal);
  ending.abort();
  await assert.rejects(work, { name: 'AbortError' });
  assert.deepEqual([clock.sleeping, lines], [0, []]);
});
