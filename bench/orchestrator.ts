import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { Agent } from 'undici';
import { OrchestratorClient } from '../src/orchestrator/client.ts';
import { seededRandom } from '../src/util/random.ts';
import { endProcess, spawnOwned } from '../test/support/child-process.ts';
import { OrchestratorProcess } from '../test/support/orchestrator-process.ts';
import { type Benchmark, formatTable, median, numberOption, percentile } from './benchmark.ts';
import { type FleetSize, modelName } from './orchestrator/synthetic-fleet.ts';

const GOAL_PLACEMENT_P99_MS = 5;
const GOAL_AVAILABILITY_MS = 100;
const TICKS_PER_SECOND = 100;
const AVAILABILITY_READS = 10;
const PAGE_SIZE = 100;

/**
 * A real `shoal orchestrator`, a second process that is the fleet, and this one that asks for places on a fixed beat, so
 * that a slow answer does not hide how many would have been slow.
 */
export const benchmark: Benchmark = {
  summary:
    'orchestrator under load  [--nodes 1000] [--pools 10] [--models 2000] [--per-node 100] [--rate 200] [--seconds 20]',

  async run(args) {
    const size: FleetSize = {
      nodes: numberOption(args, '--nodes', 1000),
      pools: numberOption(args, '--pools', 10),
      models: numberOption(args, '--models', 2000),
      modelsPerNode: numberOption(args, '--per-node', 100),
    };
    const rate = numberOption(args, '--rate', 200);
    const seconds = numberOption(args, '--seconds', 20);
    const home = await mkdtemp(join(tmpdir(), 'shoal-orchestrator-bench-'));
    try {
      await using orchestrator = await new OrchestratorProcess({ home }).start();
      return await measure(orchestrator, { size, rate, seconds });
    } finally {
      await rm(home, { recursive: true, force: true });
    }
  },
};

async function measure(
  orchestrator: OrchestratorProcess,
  { size, rate, seconds }: { size: FleetSize; rate: number; seconds: number },
): Promise<{ missed: string[] }> {
  const fleet = spawnOwned(
    [
      process.execPath,
      join(import.meta.dirname, 'orchestrator/heartbeat-process.ts'),
      orchestrator.url,
      JSON.stringify(size),
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const lines: string[] = [];
  const output = createInterface({ input: fleet.child.stdout as Readable });
  output.on('line', (line) => lines.push(line));
  await once(output, 'line');
  const beats = await usage(orchestrator.pid, seconds / 2);
  const client = new OrchestratorClient({ url: orchestrator.url, dispatcher: new Agent({ connections: 16 }) });
  const [placement, loaded] = await Promise.all([
    placements(client, { size, rate, seconds }),
    usage(orchestrator.pid, seconds),
  ]);
  const availability = await readAvailability(orchestrator.url);
  await endProcess(fleet);
  const failures = Number(/^failures (\d+)$/.exec(lines.at(-1) ?? '')?.[1] ?? Number.NaN);
  const result = {
    ...size,
    rate,
    heartbeatsCpuShare: round(beats.cpuShare),
    loadedCpuShare: round(loaded.cpuShare),
    rssMiB: Math.round(loaded.rssBytes / 2 ** 20),
    placements: placement.latenciesMs.length,
    refused: placement.refused,
    placementP50Ms: round(median(placement.latenciesMs)),
    placementP99Ms: round(percentile(placement.latenciesMs, 0.99)),
    placementWorstMs: round(Math.max(...placement.latenciesMs)),
    availabilityMiB: round(availability.bytes / 2 ** 20),
    availabilityMs: round(median(availability.wholeMs)),
    availabilityFirstByteMs: round(median(availability.firstByteMs)),
    pageMs: round(median(availability.pageMs)),
    failedHeartbeats: failures,
  };
  console.log(
    formatTable([['what', 'value'], ...Object.entries(result).map(([what, value]) => [what, String(value)])]),
  );
  const missed = [
    ...(result.placementP99Ms > GOAL_PLACEMENT_P99_MS
      ? [`placement takes ${result.placementP99Ms} ms at p99, the goal is ${GOAL_PLACEMENT_P99_MS} ms`]
      : []),
    ...(result.availabilityMs > GOAL_AVAILABILITY_MS
      ? [`the whole availability takes ${result.availabilityMs} ms, the goal is ${GOAL_AVAILABILITY_MS} ms`]
      : []),
    ...(failures > 0 ? [`${failures} heartbeats were not accepted`] : []),
  ];
  return { ...result, missed };
}

async function placements(
  client: OrchestratorClient,
  { size, rate, seconds }: { size: FleetSize; rate: number; seconds: number },
): Promise<{ latenciesMs: number[]; refused: number }> {
  const signal = new AbortController().signal;
  const random = seededRandom(7);
  const latenciesMs: number[] = [];
  const pending: Promise<void>[] = [];
  let refused = 0;
  const begunMs = performance.now();
  for (let count = 0; count < rate * seconds; count += 1) {
    await delay(Math.max(0, begunMs + (count * 1000) / rate - performance.now()));
    const model = modelName(Math.floor(random() ** 2 * size.models));
    const askedMs = performance.now();
    pending.push(
      client.place({ model, lease_ms: 2_000 }, signal).then((answer) => {
        latenciesMs.push(performance.now() - askedMs);
        if (answer.kind === 'refused') refused += 1;
      }),
    );
  }
  await Promise.all(pending);
  return { latenciesMs, refused };
}

async function readAvailability(
  url: string,
): Promise<{ bytes: number; wholeMs: number[]; firstByteMs: number[]; pageMs: number[] }> {
  const result = { bytes: 0, wholeMs: [] as number[], firstByteMs: [] as number[], pageMs: [] as number[] };
  for (let read = 0; read < AVAILABILITY_READS; read += 1) {
    const whole = await timedRead(`${url}/v2/catalog/availability`);
    result.bytes = whole.bytes;
    result.wholeMs.push(whole.allMs);
    result.firstByteMs.push(whole.firstMs);
    result.pageMs.push((await timedRead(`${url}/v2/catalog/availability?limit=${PAGE_SIZE}`)).allMs);
  }
  return result;
}

async function timedRead(url: string): Promise<{ bytes: number; firstMs: number; allMs: number }> {
  const startMs = performance.now();
  const answer = await fetch(url);
  let bytes = 0;
  let firstMs = Number.NaN;
  for await (const chunk of answer.body ?? []) {
    if (bytes === 0) firstMs = performance.now() - startMs;
    bytes += (chunk as Uint8Array).byteLength;
  }
  return { bytes, firstMs, allMs: performance.now() - startMs };
}

/** Of one core, over so many seconds. */
async function usage(pid: number, seconds: number): Promise<{ cpuShare: number; rssBytes: number }> {
  const before = await ticks(pid);
  const startMs = performance.now();
  await delay(seconds * 1000);
  const cpuSeconds = ((await ticks(pid)) - before) / TICKS_PER_SECOND;
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const rssKib = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN);
  return { cpuShare: (cpuSeconds * 1000) / (performance.now() - startMs), rssBytes: rssKib * 1024 };
}

/** User and system time of the process, all threads. */
async function ticks(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
