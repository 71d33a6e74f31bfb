import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { PoolManager } from '../../src/flows/pool-manager.ts';
import { NodePools } from '../../src/flows/pools.ts';
import { seededRandom } from '../../src/util/random.ts';
import { collectLog } from '../support/collect-log.ts';
import { eventually } from '../support/wait.ts';
import { hastyClock } from './link-fixture.ts';

test('where no pools are configured those that the manager lists by GET /pools are reported, as they come and go', async () => {
  const asked = new Set<string>();
  let answer: unknown = { pools: [{ pool_id: 'a', ready: true, engine: 'vllm', slots_total: 4, active_leases: 1 }] };
  const server = createServer((request, response) => {
    asked.add(`${request.method ?? ''} ${request.url ?? ''} ${request.headers.authorization ?? ''}`);
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { log } = collectLog();
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const manager = new PoolManager(
    { url, poolIds: [] },
    { token: () => Promise.resolve('pm'), clock: hastyClock(40), random: seededRandom(1), log },
  );
  const pools = new NodePools({ name: 'node', pools: [] }, { manager });
  const reported = () =>
    pools.list().map(({ id, ready, engine, slotsFree, slotsTotal }) => [id, ready, engine, slotsFree, slotsTotal]);
  const ending = new AbortController();
  const running = manager.run(ending.signal).catch(() => undefined);
  try {
    await eventually('the pool is seen', () => reported()[0]?.[0] === 'a');
    assert.deepEqual(reported(), [['a', true, 'vllm', 3, 4]]);
    assert.deepEqual([...asked], ['GET /pools Bearer pm']);
    // A bare list is understood as well.
    answer = [{ id: 'b', ready: true, slots: 2, slots_free: 0 }, { id: 'c' }];
    await eventually('both are seen', () => reported().length === 2);
    assert.deepEqual(
      reported().map(([id, ready]) => [id, ready]),
      [
        ['b', true],
        ['c', false],
      ],
    );
  } finally {
    ending.abort();
    await running;
    server.closeAllConnections();
    server.close();
  }
});
