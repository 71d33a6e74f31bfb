import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Blame, BlameLedger, type Strike } from '../../src/transfer/blame.ts';
import type { SourceId } from '../../src/transfer/piece-source.ts';
import { silentLog } from '../../src/util/log.ts';
import { Metrics } from '../../src/util/metrics.ts';
import { VirtualClock } from './virtual-clock.ts';

const LIAR: SourceId = { kind: 'peer', id: 'liar' };
const STRIKE: Strike = { reason: 'piece-corrupt', sha256: 'ab', piece: 3, detail: 'BLAKE3 differs' };
const MINUTE = 60_000;

function ledger(): { clock: VirtualClock; metrics: Metrics; blame: BlameLedger } {
  const clock = new VirtualClock();
  const metrics = new Metrics();
  return { clock, metrics, blame: new BlameLedger({ clock, metrics, log: silentLog }) };
}

test('a source is avoided after its first bad piece, for a minute, then twice as long each time', async () => {
  const { clock, blame } = ledger();
  for (const minutes of [1, 2, 4, 8]) {
    assert.ok(blame.isAllowed(LIAR));
    blame.strike(LIAR, STRIKE);
    assert.equal(blame.blockedMs(LIAR), minutes * MINUTE);
    await clock.advance(minutes * MINUTE - 1);
    assert.ok(!blame.isAllowed(LIAR));
    await clock.advance(1);
  }
  assert.equal(blame.find(LIAR)?.strikes, 4);
  assert.equal(blame.find(LIAR)?.active, false);
});

test('never longer than an hour, and forgotten after a good day', async () => {
  const { clock, blame } = ledger();
  for (let i = 0; i < 20; i += 1) {
    blame.strike(LIAR, STRIKE);
    await clock.advance(60 * MINUTE);
    assert.ok(blame.isAllowed(LIAR));
  }
  await clock.advance(25 * 60 * MINUTE);
  blame.strike(LIAR, STRIKE);
  assert.equal(blame.blockedMs(LIAR), MINUTE);
});

test('what was in flight with the first bad piece counts as rejected, not as another strike', async () => {
  const { metrics, blame } = ledger();
  const named: Blame[] = [];
  blame.on('blamed', (entry) => named.push(entry));
  for (let i = 0; i < 5; i += 1) blame.strike(LIAR, STRIKE);
  assert.equal(named.length, 1);
  assert.equal(blame.find(LIAR)?.strikes, 1);
  assert.equal(blame.find(LIAR)?.rejectedPieces, 5);
  assert.match(await metrics.text(), /shoal_rejected_pieces_total\{peer="liar"\} 5/);
});

test('others, and an origin of the same name, are not blamed with it', () => {
  const { blame } = ledger();
  blame.strike(LIAR, STRIKE);
  assert.ok(blame.isAllowed({ kind: 'peer', id: 'honest' }));
  assert.ok(blame.isAllowed({ kind: 'origin', id: 'liar' }));
  assert.deepEqual(
    blame.list().map((entry) => [entry.id, entry.reason, entry.active]),
    [[LIAR, 'piece-corrupt', true]],
  );
});

test('however strikes fall in time, a blamed source is never allowed, and always is again after an hour', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 90 * MINUTE }), { maxLength: 20 }), async (pauses) => {
      const { clock, blame } = ledger();
      for (const pauseMs of pauses) {
        blame.strike(LIAR, STRIKE);
        const blockedMs = blame.blockedMs(LIAR);
        assert.ok(blockedMs > 0 && blockedMs <= 60 * MINUTE);
        await clock.advance(pauseMs);
        assert.equal(blame.isAllowed(LIAR), pauseMs >= blockedMs);
      }
    }),
    { numRuns: 50 },
  );
});
