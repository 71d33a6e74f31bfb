import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LIMITS } from '../../src/orchestrator/limits.ts';
import { PlacementQueue } from '../../src/orchestrator/placement-queue.ts';
import { ShoalError } from '../../src/util/errors.ts';
import { fullWish, TestFleet } from './fleet-fixture.ts';

const never = new AbortController().signal;

test('a task that waits is placed as soon as a pool can take it', async () => {
  const fleet = await TestFleet.open();
  const waiting = fleet.place({ models: ['m'], maxWaitMs: 60_000 });
  await fleet.clock.advance(1_000);
  await fleet.join('n', [{ models_available: [] }]);
  await fleet.clock.advance(1_000);
  assert.equal(fleet.orchestrator.queue.size, 1, 'the model is not there yet');
  fleet.beat('n');
  assert.equal((await waiting)?.candidates[0]?.pool.node.id, 'n');
  assert.equal(fleet.orchestrator.queue.size, 0);
  assert.equal(fleet.clock.sleeping, 0);
});

test('one slot that becomes free goes to one of those who wait for a lease, the first', async () => {
  const fleet = await TestFleet.open();
  await fleet.join('n');
  const { leases } = fleet.orchestrator;
  const held = fleet.orchestrator.lease('n', 'pool-0', 60_000);
  const order: number[] = [];
  const waiting = [0, 1].map(async (index) => {
    const placement = await fleet.place({ maxWaitMs: 60_000, leaseMs: 60_000 });
    if (placement !== undefined) order.push(index);
    return placement;
  });
  await fleet.clock.advance(10);
  leases.release(held.id);
  await fleet.clock.advance(10);
  assert.deepEqual(order, [0]);
  await fleet.clock.advance(60_000);
  assert.equal((await Promise.all(waiting))[1], undefined, 'the time of the second is over');
});

test('a lease that runs out frees its slot for those who wait, once heartbeats show that nobody has taken it', async () => {
  const fleet = await TestFleet.open();
  await fleet.join('n');
  fleet.orchestrator.lease('n', 'pool-0', 3_000);
  const ending = new AbortController();
  const loop = fleet.orchestrator.run(ending.signal).catch(() => undefined);
  const waiting = fleet.place({ maxWaitMs: 10_000 });
  await fleet.clock.advance(3_100);
  assert.equal(fleet.orchestrator.queue.size, 1);
  fleet.beat('n');
  fleet.beat('n');
  assert.notEqual(await waiting, undefined);
  ending.abort();
  await loop;
});

test('who hangs up waits no longer, and no more than a bounded number wait', async () => {
  const fleet = await TestFleet.open();
  const hangUp = new AbortController();
  const gone = fleet.orchestrator.place(fullWish({ maxWaitMs: 1_000 }), hangUp.signal);
  hangUp.abort();
  await assert.rejects(gone, { name: 'AbortError' });
  assert.equal(fleet.orchestrator.queue.size, 0);
  const waiting = Array.from({ length: LIMITS.waiters }, () =>
    fleet.orchestrator.place(fullWish({ maxWaitMs: 1_000 }), never),
  );
  await assert.rejects(
    fleet.orchestrator.place(fullWish({ maxWaitMs: 1_000 }), never),
    (error) => error instanceof ShoalError && error.code === 'source-busy' && error.fields['retryAfter'] === '1',
  );
  await fleet.clock.advance(1_000);
  assert.ok((await Promise.all(waiting)).every((placement) => placement === undefined));
});

test('who waits for what a pool has not got costs its heartbeats one look', async () => {
  const fleet = await TestFleet.open();
  await fleet.join('n', [{ models_available: ['other'] }]);
  const pool = fleet.registry.find('n')?.pools.get('pool-0');
  assert.ok(pool);
  let looks = 0;
  const queue = new PlacementQueue(fleet);
  const wait = (model: string): Promise<true | undefined> => {
    const demand = () => {
      looks += 1;
      return { models: [model], exclude: new Set<string>(), retired: [] };
    };
    return queue.wait({ models: [model], demand, attempt: () => true, maxMs: 1_000 }, never);
  };
  const [missing, there] = [wait('m'), wait('other')];
  queue.offer(pool);
  assert.equal(await there, true);
  assert.equal(looks, 1);
  await fleet.clock.advance(1_000);
  assert.equal(await missing, undefined);
});

test('when no more leases are given the waiter is told, and the node whose heartbeat has come is not', async () => {
  const fleet = await TestFleet.open();
  const { orchestrator } = fleet;
  const waiting = fleet.place({ models: ['m'], maxWaitMs: 60_000, leaseMs: 1_000 });
  const isRefused = assert.rejects(waiting, (error) => error instanceof ShoalError && error.code === 'source-busy');
  orchestrator.leases.grant = () => {
    throw new ShoalError('source-busy', 'too many leases are held');
  };
  await fleet.join('n');
  await isRefused;
  assert.equal(fleet.registry.find('n')?.status, 'Online');
  assert.equal(orchestrator.queue.size, 0);
});
