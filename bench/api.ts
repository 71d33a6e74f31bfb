import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { makeSafetensors } from '../test/support/make-safetensors.ts';
import { TestBed } from '../test/support/test-bed.ts';
import { eventually } from '../test/support/wait.ts';
import { type Benchmark, formatTable, median, numberOption, percentile, textOption } from './benchmark.ts';

const FILE_NAME = 'bench.safetensors';
const GOAL_P99_MS = 20;
const EVERY_MS = 25;

interface Asked {
  readonly who: string;
  readonly latenciesMs: number[];
}

/**
 * How long `/v1/node` takes on both ends while one node fetches from the other as fast as it can. Asked on a fixed beat
 * over one kept connection, so that a slow answer does not hide how many would have been slow.
 */
export const benchmark: Benchmark = {
  summary: 'answers of /v1/node while a fetch saturates the machine  [--mib 2048] [--lane on|off] [--dir DIR]',

  missing: (args) => laneProblem(args),

  async run(args) {
    const mib = numberOption(args, '--mib', 2048);
    const under = textOption(args, '--dir', existsSync('/dev/shm') ? '/dev/shm' : tmpdir());
    const isLaneOff = textOption(args, '--lane', 'on') === 'off';
    const lane = isLaneOff ? ['--lane', 'off'] : [];
    await using bed = await TestBed.open({ under });
    const source = await bed.makeDirectory('source');
    await makeSafetensors(join(source, FILE_NAME), { seed: 'api', sizeBytes: mib * 2 ** 20, family: 'sdxl' });
    const sender = await bed.daemon('sender', { models: source, args: ['--settle', '100ms', ...lane] });
    await sender.waitForModel(FILE_NAME, 'installed', 300_000);
    const receiver = await bed.daemon('receiver', { args: lane });
    await eventually('the receiver hears of the file', async () =>
      (await receiver.models('fleet')).some((model) => model.id === FILE_NAME),
    );
    const idle = await askAll([sender, receiver], (beats) => beats < 80);
    const startMs = performance.now();
    await receiver.want(FILE_NAME);
    let isDone = false;
    const fetching = eventually('installed', async () => (await receiver.model(FILE_NAME)).state === 'installed', {
      timeoutMs: 900_000,
      everyMs: 500,
    }).then(() => {
      isDone = true;
    });
    const busy = await askAll([sender, receiver], () => !isDone);
    await fetching;
    const seconds = (performance.now() - startMs) / 1000;
    const rows = [...idle.map((one) => ({ when: 'idle', ...one })), ...busy.map((one) => ({ when: 'busy', ...one }))];
    const results = rows.map(({ when, who, latenciesMs }) => ({
      when,
      who,
      answers: latenciesMs.length,
      p50Ms: round(median(latenciesMs)),
      p99Ms: round(percentile(latenciesMs, 0.99)),
      worstMs: round(Math.max(...latenciesMs)),
    }));
    console.log(
      formatTable([
        ['when', 'node', 'answers', 'p50 ms', 'p99 ms', 'worst ms'],
        ...results.map((one) => [one.when, one.who, one.answers, one.p50Ms, one.p99Ms, one.worstMs].map(String)),
      ]),
    );
    const missed = results
      .filter(({ when, p99Ms }) => when === 'busy' && p99Ms > GOAL_P99_MS)
      .map(({ who, p99Ms }) => `${who} answers within ${p99Ms} ms at p99, the goal is ${GOAL_P99_MS} ms`);
    return { mib, lane: isLaneOff ? 'off' : 'on', mibPerSecond: round(mib / seconds), results, missed };
  },
};

/** Without the lane the bytes go over libp2p streams. */
function laneProblem(args: readonly string[]): string[] {
  const lane = textOption(args, '--lane', 'on');
  return lane === 'on' || lane === 'off' ? [] : [`--lane takes on or off, not ${lane}`];
}

async function askAll(
  daemons: readonly { readonly name: string; json: (path: string) => Promise<unknown> }[],
  goOn: (beats: number) => boolean,
): Promise<Asked[]> {
  const asked = daemons.map(({ name }): Asked => ({ who: name, latenciesMs: [] }));
  const pending: Promise<void>[] = [];
  for (let beats = 0; goOn(beats); beats += 1) {
    for (const [index, daemon] of daemons.entries()) {
      const startMs = performance.now();
      pending.push(
        daemon.json('/v1/node').then(() => {
          asked[index]?.latenciesMs.push(performance.now() - startMs);
        }),
      );
    }
    await delay(EVERY_MS);
  }
  await Promise.all(pending);
  return asked;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
