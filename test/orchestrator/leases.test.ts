import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { SlotCount } from '../../src/orchestrator/slot-count.ts';
import { ShoalError } from '../../src/util/errors.ts';
import { TestFleet } from './fleet-fixture.ts';

const code = (expected: string) => (error: unknown) => error instanceof ShoalError && error.code === expected;

test('two callers never get the same last slot', async () => {
  const fleet = await TestFleet.open();
  await fleet.join('n');
  const answers = await Promise.all([1, 2, 3].map(() => fleet.place({ leaseMs: 5_000 })));
  assert.equal(answers.filter((answer) => answer !== undefined).length, 1);
  assert.throws(() => fleet.orchestrator.lease('n', 'pool-0', 1_000), code('conflict'));
  await fleet.clock.advance(5_000);
  assert.equal(await fleet.place({ leaseMs: 5_000 }), undefined, 'it has run out, and its work may have just begun');
  fleet.beat('n');
  assert.equal(await fleet.place({ leaseMs: 5_000 }), undefined, 'this heartbeat may have been under way by then');
  fleet.beat('n');
  assert.notEqual(await fleet.place({ leaseMs: 5_000 }), undefined, 'it has not');
});

test('a lease whose work the pool reports does not count twice', async () => {
  const fleet = await TestFleet.open();
  await fleet.join('n', [{ slots_free: 2, slots_total: 2 }]);
  const pool = () => fleet.registry.get('n').pools.get('pool-0') ?? assert.fail();
  fleet.orchestrator.lease('n', 'pool-0', 60_000);
  assert.equal(pool().freeSlots, 1);
  fleet.beat('n', [{ slots_free: 2, slots_total: 2 }]);
  assert.equal(pool().freeSlots, 1, 'the work has not begun');
  fleet.beat('n', [{ slots_free: 1, slots_total: 2 }]);
  assert.equal(pool().freeSlots, 1, 'it has, and takes one slot, not two');
  await fleet.clock.advance(1_000);
  fleet.beat('n', [{ slots_free: 2, slots_total: 2 }]);
  assert.equal(pool().freeSlots, 2, 'it has ended before its lease');
});

test('a pool that names the leases it counts is believed', async () => {
  const fleet = await TestFleet.open();
  await fleet.join('n', [{ slots_free: 2, slots_total: 2 }]);
  const lease = fleet.orchestrator.lease('n', 'pool-0', 60_000);
  const pool = () => fleet.registry.get('n').pools.get('pool-0') ?? assert.fail();
  fleet.beat('n', [{ slots_free: 1, slots_total: 2, leases: [] }]);
  assert.equal(pool().freeSlots, 0, "somebody else's work: the lease still counts");
  fleet.beat('n', [{ slots_free: 0, slots_total: 2, leases: [lease.id] }]);
  assert.equal(pool().slots.promised, 0);
});

test('a lease that is released frees its slot at once; releasing it again is told', async () => {
  const fleet = await TestFleet.open();
  await fleet.join('n');
  const { leases } = fleet.orchestrator;
  const { id } = fleet.orchestrator.lease('n', 'pool-0', 60_000);
  assert.equal(leases.list().length, 1);
  assert.equal(leases.release(id), true);
  assert.equal(leases.release(id), false);
  assert.equal(leases.list().length, 0);
  assert.notEqual(await fleet.place(), undefined);
  fleet.orchestrator.lease('n', 'pool-0', 60_000);
  fleet.beat('n', []);
  assert.equal(leases.size, 0, 'a pool that is gone holds none');
});

function oneOf(ids: readonly string[], which: number): string | undefined {
  return ids[which % Math.max(1, ids.length)];
}

/** What happens to a pool whose work all comes through leases. */
const eventArbitrary = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('lease' as const) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('begin' as const), which: fc.nat({ max: 7 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('finish' as const), which: fc.nat({ max: 7 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('release' as const), which: fc.nat({ max: 7 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('run out' as const), which: fc.nat({ max: 7 }) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('write' as const) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('arrive' as const) }) },
);

test('work that comes through leases never finds its slot taken, whatever the order of leases, work and heartbeats', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 4 }),
      fc.array(eventArbitrary, { maxLength: 60, size: 'max' }),
      fc.boolean(),
      (total, events, names) => {
        const slots = new SlotCount();
        /** Leases that hold and whose work has not begun. */
        const waiting = new Set<string>();
        /** Leases that hold and whose work has begun, and perhaps ended. */
        const begun = new Set<string>();
        const working = new Set<string>();
        let reportedFree = total;
        let count = 0;
        /** A heartbeat that is under way. */
        let written: { readonly busy: number; readonly leases: readonly string[] } | undefined;
        const arrive = (): void => {
          if (written === undefined) return;
          reportedFree = total - written.busy;
          slots.observe(written.busy, names ? written.leases : undefined);
          written = undefined;
        };
        written = { busy: 0, leases: [] };
        arrive();
        for (const event of events) {
          switch (event.kind) {
            case 'lease': {
              if (reportedFree - slots.promised < 1) break;
              const id = `l${(count += 1)}`;
              slots.grant(id);
              waiting.add(id);
              break;
            }
            case 'begin': {
              const id = oneOf([...waiting], event.which);
              if (id === undefined) break;
              assert.ok(working.size < total, 'two tasks for one slot');
              waiting.delete(id);
              begun.add(id);
              working.add(id);
              break;
            }
            case 'finish': {
              const id = oneOf([...working], event.which);
              if (id !== undefined) working.delete(id);
              break;
            }
            case 'release': {
              // Its work will not begin, or has ended.
              const ended = [...begun].filter((id) => !working.has(id));
              const id = oneOf([...waiting, ...ended], event.which);
              if (id === undefined) break;
              slots.release(id);
              waiting.delete(id);
              begun.delete(id);
              break;
            }
            case 'run out': {
              // Before its work, during it or after it.
              const id = oneOf([...waiting, ...begun], event.which);
              if (id === undefined) break;
              slots.runOut(id);
              waiting.delete(id);
              begun.delete(id);
              break;
            }
            case 'write':
              written ??= { busy: working.size, leases: [...begun] };
              break;
            case 'arrive':
              arrive();
          }
          assert.ok(waiting.size + working.size <= total, 'more promised than there is');
          assert.ok(slots.promised >= 0);
        }
      },
    ),
    { numRuns: 2_000 },
  );
});
