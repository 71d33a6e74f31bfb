// A fleet of nodes that register and then report every ten seconds, each at its own moment. Arguments: URL and a FleetSize
// as JSON. Prints one line "ready" when all have reported once; counts what was not answered with 200.
import { setTimeout as delay } from 'node:timers/promises';
import { Agent } from 'undici';
import { OrchestratorClient } from '../../src/orchestrator/client.ts';
import { type FleetSize, modelsOf, nodeName } from './synthetic-fleet.ts';

const PERIOD_MS = 10_000;
const STARTING_TOGETHER = 32;

const [url = '', sizeText = '{}'] = process.argv.slice(2);
const size = JSON.parse(sizeText) as FleetSize;
const client = new OrchestratorClient({ url, dispatcher: new Agent({ connections: 64 }) });
const signal = new AbortController().signal;
let failures = 0;

const nodes = Array.from({ length: size.nodes }, (_, index) => index);
const queue = [...nodes];
await Promise.all(
  Array.from({ length: STARTING_TOGETHER }, async () => {
    for (let node = queue.pop(); node !== undefined; node = queue.pop()) await start(node);
  }),
);
console.log('ready');
process.on('SIGTERM', () => {
  console.log(`failures ${failures}`);
  process.exit(0);
});
await Promise.all(nodes.map(run));

async function start(node: number): Promise<void> {
  await client.register(
    {
      node_id: nodeName(node),
      machine_id: `machine-${node}`,
      address: `http://10.${node >> 16}.${(node >> 8) & 255}.${node & 255}:9200`,
      pools: Array.from({ length: size.pools }, (_, pool) => `pool-${pool}`),
      capabilities: { gpus: [] },
    },
    signal,
  );
  await beat(node);
}

async function run(node: number): Promise<void> {
  await delay((node / size.nodes) * PERIOD_MS);
  for (let count = 1; ; count += 1) {
    const startMs = performance.now();
    try {
      await beat(node, count);
    } catch {
      failures += 1;
    }
    await delay(Math.max(0, PERIOD_MS - (performance.now() - startMs)));
  }
}

async function beat(node: number, count = 0): Promise<void> {
  const models = modelsOf(node, size);
  await client.heartbeat(
    nodeName(node),
    {
      timestamp: new Date().toISOString(),
      models_available: models,
      pools: Array.from({ length: size.pools }, (_, pool) => ({
        pool_id: `pool-${pool}`,
        ready: true,
        draining: false,
        // Some of them work on something, another part of them each time.
        slots_free: (node + pool + count) % 4,
        slots_total: 4,
        vram_free_bytes: 8e9,
        engine: 'llamacpp',
        models_available: models,
      })),
    },
    signal,
  );
}
