import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { endProcess, type OwnedProcess, spawnOwned } from '../test/support/child-process.ts';
import { OrchestratorProcess } from '../test/support/orchestrator-process.ts';
import { type Benchmark, formatTable, median, numberOption } from './benchmark.ts';
import type { PlacementLoad, PlacementResult } from './orchestrator/placement-process.ts';
import { timedGet } from './orchestrator/quick-http.ts';
import type { FleetSize } from './orchestrator/synthetic-fleet.ts';

const GOAL_PLACEMENT_P99_MS = 5;
const GOAL_AVAILABILITY_MS = 100;
const TICKS_PER_SECOND = 100;
const AVAILABILITY_READS = 10;
const PAGE_SIZE = 100;

/**
 * A real `shoal orchestrator`, a second process that is the fleet, and a third that asks for places; this one reads the
 * availability and what the orchestrator costs.
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
  const fleet = start('heartbeat-process', orchestrator.url, size);
  const lines: string[] = [];
  const output = createInterface({ input: fleet.child.stdout as Readable });
  output.on('line', (line) => lines.push(line));
  await once(output, 'line');
  const beats = await usage(orchestrator.pid, seconds / 2);
  const [placement, loaded] = await Promise.all([
    placements(orchestrator.url, { models: size.models, rate, seconds }),
    usage(orchestrator.pid, seconds),
  ]);
  const quick = await quickShare(orchestrator.url);
  const availability = await readAvailability(orchestrator);
  await endProcess(fleet);
  const failures = Number(/^failures (\d+)$/.exec(lines.at(-1) ?? '')?.[1] ?? Number.NaN);
  const result = {
    ...size,
    rate,
    heartbeatsCpuShare: round(beats.cpuShare),
    loadedCpuShare: round(loaded.cpuShare),
    rssMiB: Math.round(loaded.rssBytes / 2 ** 20),
    placements: placement.answers,
    refused: placement.refused,
    skipped: placement.skipped,
    placementP50Ms: round(placement.p50Ms),
    placementP99Ms: round(placement.p99Ms),
    placementWorstMs: round(placement.worstMs),
    askersOwnLagP99Ms: round(placement.ownLagP99Ms),
    answeredWithin2MsPercent: round(100 * quick),
    availabilityMiB: round(availability.bytes / 2 ** 20),
    availabilityMs: round(median(availability.wholeMs)),
    availabilityFirstByteMs: round(median(availability.firstByteMs)),
    availabilityCpuMs: round(availability.cpuMs),
    pageMs: round(median(availability.pageMs)),
    failedHeartbeats: failures,
  };
  console.log(
    formatTable([['what', 'value'], ...Object.entries(result).map(([what, value]) => [what, String(value)])]),
  );
  const unanswered = Math.ceil(rate * seconds) - placement.answers - placement.skipped;
  const missed = [
    ...(result.placementP99Ms > GOAL_PLACEMENT_P99_MS
      ? [`placement takes ${result.placementP99Ms} ms at p99, the goal is ${GOAL_PLACEMENT_P99_MS} ms`]
      : []),
    ...(result.availabilityMs > GOAL_AVAILABILITY_MS
      ? [`the whole availability takes ${result.availabilityMs} ms, the goal is ${GOAL_AVAILABILITY_MS} ms`]
      : []),
    ...(failures > 0 ? [`${failures} heartbeats were not accepted`] : []),
    ...(placement.refused > 0 ? [`${placement.refused} placements were refused`] : []),
    ...(placement.skipped > 0 ? [`${placement.skipped} placements could not be asked for in their turn`] : []),
    ...(unanswered > 0 ? [`${unanswered} placements were not answered`] : []),
  ];
  return { ...result, missed };
}

async function placements(url: string, load: PlacementLoad): Promise<PlacementResult> {
  const asker = start('placement-process', url, load);
  const line = await text(asker.child.stdout as Readable);
  await asker.exited;
  return JSON.parse(line) as PlacementResult;
}

function start(name: string, url: string, options: unknown): OwnedProcess {
  const file = join(import.meta.dirname, `orchestrator/${name}.ts`);
  return spawnOwned([process.execPath, file, url, JSON.stringify(options)], { stdio: ['ignore', 'pipe', 'inherit'] });
}

/** The share of placements that took the orchestrator 2 ms at most, by its own clock. */
async function quickShare(url: string): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  const labels = 'method="POST",route="/v2/placement",status="200"';
  const value = (suffix: string): number =>
    Number(
      metrics
        .split('\n')
        .find((line) => line.startsWith(`shoal_api_request_seconds_${suffix}`))
        ?.split(' ')[1],
    );
  return value(`bucket{le="0.002",${labels}}`) / value(`count{${labels}}`);
}

interface AvailabilityTimes {
  readonly bytes: number;
  readonly wholeMs: readonly number[];
  readonly firstByteMs: readonly number[];
  readonly pageMs: readonly number[];
  /** Of the orchestrator for one whole document, heartbeats meanwhile included. */
  readonly cpuMs: number;
}

async function readAvailability({ url, pid }: OrchestratorProcess): Promise<AvailabilityTimes> {
  const result = { bytes: 0, wholeMs: [] as number[], firstByteMs: [] as number[], pageMs: [] as number[], cpuMs: 0 };
  const before = await ticks(pid);
  for (let read = 0; read < AVAILABILITY_READS; read += 1) {
    const whole = await timedGet(`${url}/v2/catalog/availability`);
    result.bytes = whole.bytes;
    result.wholeMs.push(whole.allMs);
    result.firstByteMs.push(whole.firstMs);
  }
  result.cpuMs = (((await ticks(pid)) - before) * 1000) / TICKS_PER_SECOND / AVAILABILITY_READS;
  for (let read = 0; read < AVAILABILITY_READS; read += 1) {
    result.pageMs.push((await timedGet(`${url}/v2/catalog/availability?limit=${PAGE_SIZE}`)).allMs);
  }
  return result;
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
