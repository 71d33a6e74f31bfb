import { existsSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sha256OfFile } from '../test/support/hash-file.ts';
import { makeSafetensors } from '../test/support/make-safetensors.ts';
import { TestBed } from '../test/support/test-bed.ts';
import { eventually } from '../test/support/wait.ts';
import { type Benchmark, formatTable, numberOption, textOption } from './benchmark.ts';

const FILE_NAME = 'bench.safetensors';
const GOAL_MIB = 256;

/** The most memory (VmHWM) that each end of a fetch has ever used, from its start on, hashing included. */
export const benchmark: Benchmark = {
  summary: 'resident memory of both ends while a large file is fetched  [--mib 4096] [--dir DIR]',

  async run(args) {
    const mib = numberOption(args, '--mib', 4096);
    const under = textOption(args, '--dir', existsSync('/dev/shm') ? '/dev/shm' : tmpdir());
    await using bed = await TestBed.open({ under });
    const source = await bed.makeDirectory('source');
    const made = await makeSafetensors(join(source, FILE_NAME), {
      seed: 'memory',
      sizeBytes: mib * 2 ** 20,
      family: 'sdxl',
    });
    const sender = await bed.daemon('sender', { models: source, args: ['--settle', '100ms'] });
    await sender.waitForModel(FILE_NAME, 'installed', 600_000);
    const hashed = peakMib(sender.pid);
    const receiver = await bed.daemon('receiver');
    await eventually('the receiver hears of the file', async () =>
      (await receiver.models('fleet')).some((model) => model.id === FILE_NAME),
    );
    const idle = peakMib(receiver.pid);
    const startMs = performance.now();
    await receiver.want(FILE_NAME);
    await eventually('installed', async () => (await receiver.model(FILE_NAME)).state === 'installed', {
      timeoutMs: 1_800_000,
      everyMs: 500,
    });
    const seconds = (performance.now() - startMs) / 1000;
    if ((await sha256OfFile(join(receiver.modelsDir, FILE_NAME))) !== made.sha256) throw new Error('fetched wrongly');
    const peaks = [
      { node: 'sender', before: hashed, after: peakMib(sender.pid) },
      { node: 'receiver', before: idle, after: peakMib(receiver.pid) },
    ];
    console.log(
      formatTable([
        ['node', 'peak MiB before', 'peak MiB after'],
        ...peaks.map(({ node, before, after }) => [node, String(before), String(after)]),
      ]),
    );
    const missed = peaks
      .filter(({ after }) => after > GOAL_MIB)
      .map(({ node, after }) => `the ${node} used ${after} MiB, the goal is ${GOAL_MIB} MiB`);
    return { mib, mibPerSecond: Math.round(mib / seconds), peaks, missed };
  },
};

function peakMib(pid: number): number {
  const kib = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Math.round(Number(kib) / 1024);
}
