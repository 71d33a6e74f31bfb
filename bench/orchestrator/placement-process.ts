// Asks for places on a fixed beat, so that a slow answer does not hide how many would have been slow. A process of its own:
// nothing else delays it, and by how much it was delayed all the same is measured. Arguments: URL and a PlacementLoad as
// JSON. Prints a PlacementResult as one line of JSON.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { seededRandom } from '../../src/util/random.ts';
import { median, percentile } from '../benchmark.ts';
import { QuickConnection } from './quick-http.ts';
import { modelName } from './synthetic-fleet.ts';

export interface PlacementLoad {
  readonly models: number;
  readonly rate: number;
  readonly seconds: number;
}

export interface PlacementResult {
  readonly answers: number;
  readonly refused: number;
  /** Not asked in their turn, because nobody had answered yet. */
  readonly skipped: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly worstMs: number;
  /** How late this process was itself; it is part of the times above. */
  readonly ownLagP99Ms: number;
}

const CONNECTIONS = 64;
const LEASE_MS = 2_000;
const CONNECT_MS = 500;
const ANSWER_MAX_MS = 10_000;
const NANOSECONDS = 1e6;

const [url = '', load = '{}'] = process.argv.slice(2);
console.log(JSON.stringify(await place(JSON.parse(load) as PlacementLoad)));
process.exit(0);

async function place({ models, rate, seconds }: PlacementLoad): Promise<PlacementResult> {
  const idle = Array.from({ length: CONNECTIONS }, () => new QuickConnection(url));
  const random = seededRandom(7);
  const latenciesMs: number[] = [];
  let refused = 0;
  let skipped = 0;
  await delay(CONNECT_MS);
  const lag = monitorEventLoopDelay({ resolution: 1 });
  lag.enable();
  const begunMs = performance.now();
  for (let count = 0; count < rate * seconds; count += 1) {
    const waitMs = begunMs + (count * 1000) / rate - performance.now();
    if (waitMs > 0) await delay(waitMs);
    // The popular models are asked for as often as they are there.
    const model = modelName(Math.floor(random() ** 2 * models));
    const connection = idle.pop();
    if (connection === undefined) {
      skipped += 1;
      continue;
    }
    const askedMs = performance.now();
    connection.post('/v2/placement', { model, lease_ms: LEASE_MS }, (status) => {
      latenciesMs.push(performance.now() - askedMs);
      idle.push(connection);
      if (status !== 200) refused += 1;
    });
  }
  // Who has not been answered by then will not be: `answers` falls short of what was asked for.
  const patientUntilMs = performance.now() + ANSWER_MAX_MS;
  while (idle.length < CONNECTIONS && performance.now() < patientUntilMs) await delay(10);
  return {
    answers: latenciesMs.length,
    refused,
    skipped,
    p50Ms: median(latenciesMs),
    p99Ms: percentile(latenciesMs, 0.99),
    worstMs: Math.max(...latenciesMs),
    // The histogram counts from one tick of its timer to the next.
    ownLagP99Ms: lag.percentile(99) / NANOSECONDS - 1,
  };
}
