import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { test } from 'node:test';
import type { AvailabilityDocument } from '../../src/orchestrator/availability-documents.ts';
import { makeLora } from '../support/make-safetensors.ts';
import { TestBed } from '../support/test-bed.ts';
import { delay, eventually } from '../support/wait.ts';

interface Order {
  readonly path: string;
  readonly body: unknown;
  readonly authorization: string | undefined;
}

/** A pool manager like pool-managerd: status of each pool, and orders that it takes or refuses. */
class ManagerServer implements AsyncDisposable {
  pools: Record<string, object> = {};
  readonly orders: Order[] = [];
  refuseWith: number | undefined;
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      const answer = async (): Promise<void> => {
        const reply = (status: number, body: unknown): void => {
          response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
        };
        const [, pool = '', action = ''] = /^\/pools\/([^/]+)\/(status|preload)$/.exec(request.url ?? '') ?? [];
        if (action === 'status') {
          const status = this.pools[pool];
          reply(status === undefined ? 404 : 200, status ?? { error: 'unknown pool' });
          return;
        }
        const body = await json(request);
        this.orders.push({ path: request.url ?? '', body, authorization: request.headers.authorization });
        if (this.refuseWith === undefined) reply(200, { pool_id: pool, handoff_path: '/run/handoff.json' });
        else reply(this.refuseWith, { message: 'the engine is broken' });
      };
      answer().catch(() => response.destroy());
    });
  }

  static async start(port = 0): Promise<ManagerServer> {
    const manager = new ManagerServer();
    await new Promise<void>((resolve) => manager.#server.listen(port, '127.0.0.1', resolve));
    return manager;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

test('pools of the configuration and GPUs are reported, as their manager sees them; a preload gets there when the model is here', {
  timeout: 120_000,
}, async (t) => {
  const bed = await TestBed.open({ context: t });
  const consumer = await bed.consumer();
  const manager = bed.own(await ManagerServer.start());
  manager.pools = {
    'pool-0': { pool_id: 'pool-0', live: true, ready: true, slots_total: 4, slots_free: 3, active_leases: 1 },
  };
  const config = join(bed.directory, 'b.yaml');
  await writeFile(join(bed.directory, 'pm.token'), 'pm-secret\n');
  await writeFile(
    config,
    `settle: 100ms
pools:
  - {id: pool-0, engine: llamacpp, slots: 4, vram: 24GB}
  - {id: pool-1, engine: vllm, slots: 2}
pool-manager: {url: "http://127.0.0.1:${manager.port}", token-file: pm.token}
gpus:
  - {name: NVIDIA GeForce RTX 3090, vram: 24GiB, compute-capability: "8.6"}
`,
  );
  const a = await bed.daemon('a', { args: ['--settle', '100ms'] });
  const b = await bed.daemon('b', { orchestrators: [consumer.url], args: ['--config', config] });
  const newestPools = () => consumer.of('b').at(-1)?.document.pools ?? [];
  await eventually('pool-0 is ready', () => newestPools()[0]?.ready === true);
  assert.deepEqual(
    newestPools().map(({ pool_id, engine, ready, slots_free, slots_total }) => [
      pool_id,
      engine,
      ready,
      slots_free,
      slots_total,
    ]),
    [
      ['pool-0', 'llamacpp', true, 3, 4],
      ['pool-1', 'vllm', false, 0, 2],
    ],
  );
  const { document } = consumer.registrations.at(-1) ?? assert.fail('never registered');
  assert.deepEqual(document.pools, ['pool-0', 'pool-1']);
  assert.deepEqual(document.capabilities.gpus, [
    { device_id: 0, name: 'NVIDIA GeForce RTX 3090', vram_total_bytes: 24 * 2 ** 30, compute_capability: '8.6' },
  ]);
  await eventually('a knows the pools of b', async () => {
    const { nodes } = await a.json<AvailabilityDocument>('/v2/catalog/availability');
    return (
      JSON.stringify(nodes['b']?.pools.map(({ pool_id, ready }) => [pool_id, ready])) ===
      '[["pool-0",true],["pool-1",false]]'
    );
  });

  // Preload: what is on another node is fetched, pinned, and then the manager is told.
  await makeLora(join(a.modelsDir, 'wanted.safetensors'), { seed: 'preload' });
  await eventually('b hears of it', async () => (await b.model('wanted.safetensors')).nodes.includes('a'), {
    timeoutMs: 30_000,
  });
  const order = { model_id: 'wanted', engine: 'llamacpp' };
  const coming = await b.request('POST', '/pools/pool-0/preload', order);
  assert.deepEqual(
    [coming.status, coming.body],
    [202, { pool_id: 'pool-0', model_id: 'wanted', status: 'fetching', forwarded: false }],
  );
  await eventually('the order is passed on', () => manager.orders.length === 1, { timeoutMs: 30_000 });
  assert.deepEqual(manager.orders[0], {
    path: '/pools/pool-0/preload',
    body: order,
    authorization: 'Bearer pm-secret',
  });
  assert.deepEqual(await b.model('wanted').then(({ state, pinned, wanted }) => [state, pinned, wanted]), [
    'installed',
    true,
    true,
  ]);
  const again = await b.request('POST', '/pools/pool-0/preload', order);
  assert.deepEqual([again.status, again.body], [200, { pool_id: 'pool-0', handoff_path: '/run/handoff.json' }]);
  manager.refuseWith = 500;
  const refused = await b.request('POST', '/pools/pool-0/preload', {
    prepared: { model_path: '/x', pool_id: 'pool-0' },
  });
  assert.deepEqual([refused.status, refused.body], [500, { message: 'the engine is broken' }]);
  for (const [path, body, status, error] of [
    ['/pools/nope/preload', order, 404, 'this node has no pool nope. It has pool-0, pool-1.'],
    ['/pools/pool-0/preload', { engine: 'x' }, 400, 'model_id required'],
    [
      '/pools/pool-0/preload',
      { model_id: 'nobody has it' },
      404,
      'nobody knows a model nobody has it. See "shoal ls --fleet" for what there is.',
    ],
  ] as const) {
    const answer = await b.request('POST', path, body);
    assert.deepEqual([answer.status, answer.body], [status, { error }]);
  }

  // A manager that is away makes its pools not ready; the log says it once, and again when it is back.
  const { port } = manager;
  await manager[Symbol.asyncDispose]();
  await eventually('not ready', () => newestPools().every(({ ready }) => !ready));
  await delay(300);
  const back = bed.own(await ManagerServer.start(port));
  back.pools = { 'pool-0': { ready: true, slots_total: 4 }, 'pool-1': { ready: true, slots_total: 2, draining: true } };
  await eventually('ready again', () => newestPools()[1]?.draining === true && newestPools()[1]?.ready === true, {
    timeoutMs: 30_000,
  });
  assert.equal(b.log.lines.filter(({ msg }) => msg === 'pool manager does not answer').length, 1);
  assert.ok(!b.log.lines.some((line) => JSON.stringify(line).includes('pm-secret')));
  assert.deepEqual(consumer.violations, []);
});

test('without a pool manager a preload fetches and pins; a node without pools is one of its own name', {
  timeout: 60_000,
}, async (t) => {
  const bed = await TestBed.open({ context: t });
  const consumer = await bed.consumer();
  const daemon = await bed.daemon('alone', { orchestrators: [consumer.url], args: ['--settle', '100ms'] });
  await makeLora(join(daemon.modelsDir, 'm.safetensors'), { seed: 'm' });
  await consumer.waitFor('alone', 'm', { timeoutMs: 30_000 });
  const pools = consumer.of('alone').at(-1)?.document.pools ?? [];
  assert.deepEqual(
    pools.map(({ pool_id, ready, slots_free }) => [pool_id, ready, slots_free]),
    [['alone', true, 1]],
  );
  assert.ok(Array.isArray(consumer.registrations[0]?.document.capabilities.gpus));
  const answer = await daemon.request('POST', '/pools/alone/preload', { model_id: 'm', engine: 'llamacpp' });
  assert.deepEqual(
    [answer.status, answer.body],
    [200, { pool_id: 'alone', model_id: 'm', status: 'available', forwarded: false }],
  );
  assert.equal((await daemon.model('m')).pinned, true);
  const prepared = await daemon.request<{ error: string }>('POST', '/pools/alone/preload', { prepared: {} });
  assert.equal(prepared.status, 409);
  assert.match(prepared.body.error, /no pool manager/);
  assert.equal((await daemon.request('DELETE', '/v2/catalog/models/m')).status, 409, 'what is pinned stays');
});
