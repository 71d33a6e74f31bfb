import { existsSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { DaemonProcess } from '../test/support/daemon-process.ts';
import { sha256OfFile } from '../test/support/hash-file.ts';
import { makeSafetensors } from '../test/support/make-safetensors.ts';
import { TestBed } from '../test/support/test-bed.ts';
import { eventually } from '../test/support/wait.ts';
import { type Benchmark, formatTable, numberOption, textOption } from './benchmark.ts';
import { has } from './link/contestants.ts';

const FILE_NAME = 'bench.safetensors';
const GOAL_MIB = 256;
/** How the file comes: from another daemon by the lane or a libp2p stream, or from an origin that is no daemon. */
const WAYS = ['lane', 'stream', 'http', 'file', 'file-unpublished'] as const;
type Way = (typeof WAYS)[number];

interface Course {
  readonly bed: TestBed;
  /** The directory of the one file. */
  readonly source: string;
  readonly via: Way;
}

interface Peak {
  readonly node: string;
  readonly before: number;
  readonly after: number;
}

/** The most memory (VmHWM) that each end of a fetch has ever used, from its start on, hashing included. */
export const benchmark: Benchmark = {
  summary: `resident memory of the daemons while a large file is fetched  [--mib 4096] [--via ${WAYS.join('|')}] [--dir DIR]`,

  missing: (args) => {
    const via = textOption(args, '--via', 'lane');
    if (!isWay(via)) return [`--via takes ${WAYS.join(', ')}, not ${via}`];
    return via === 'http' && !has.nginx() ? ['nginx is missing: apt-get install nginx-light'] : [];
  },

  async run(args) {
    const mib = numberOption(args, '--mib', 4096);
    const chosen = textOption(args, '--via', 'lane');
    const via = isWay(chosen) ? chosen : 'lane';
    const under = textOption(args, '--dir', existsSync('/dev/shm') ? '/dev/shm' : tmpdir());
    await using bed = await TestBed.open({ under });
    const source = await bed.makeDirectory('source');
    const made = await makeSafetensors(join(source, FILE_NAME), {
      seed: 'memory',
      sizeBytes: mib * 2 ** 20,
      family: 'sdxl',
    });
    const daemons =
      via === 'lane' || via === 'stream' ? await pair({ bed, source, via }) : await alone({ bed, source, via });
    const { receiver } = daemons;
    await eventually('the receiver hears of the file', async () =>
      (await receiver.models('fleet')).some((model) => model.id === FILE_NAME),
    );
    const before = Object.entries(daemons).map(([node, { pid }]) => ({ node, pid, before: peakMib(pid) }));
    const startMs = performance.now();
    await receiver.want(FILE_NAME);
    await eventually('installed', async () => (await receiver.model(FILE_NAME)).state === 'installed', {
      timeoutMs: 1_800_000,
      everyMs: 500,
    });
    const seconds = (performance.now() - startMs) / 1000;
    if ((await sha256OfFile(join(receiver.modelsDir, FILE_NAME))) !== made.sha256) throw new Error('fetched wrongly');
    const peaks: Peak[] = before.map(({ pid, ...one }) => ({ ...one, after: peakMib(pid) }));
    console.log(
      formatTable([
        [`via ${via}`, 'peak MiB before', 'peak MiB after'],
        ...peaks.map(({ node, before, after }) => [node, String(before), String(after)]),
      ]),
    );
    const missed = peaks
      .filter(({ after }) => after > GOAL_MIB)
      .map(({ node, after }) => `the ${node} used ${after} MiB, the goal is ${GOAL_MIB} MiB`);
    return { mib, via, mibPerSecond: Math.round(mib / seconds), peaks, missed };
  },
};

function isWay(text: string): text is Way {
  return (WAYS as readonly string[]).includes(text);
}

/** One daemon has hashed the file, the other takes it from there. */
async function pair({ bed, source, via }: Course): Promise<Record<'sender' | 'receiver', DaemonProcess>> {
  const lane = via === 'stream' ? ['--lane', 'off'] : [];
  const sender = await bed.daemon('sender', { models: source, args: ['--settle', '100ms', ...lane] });
  await sender.waitForModel(FILE_NAME, 'installed', 600_000);
  return { sender, receiver: await bed.daemon('receiver', { args: lane }) };
}

/** An origin has the file; nobody hashed it where it was not published, so the receiver finds out the hashes as it reads. */
async function alone({ bed, source, via }: Course): Promise<Record<'receiver', DaemonProcess>> {
  if (via !== 'file-unpublished') await bed.publish(source);
  const origin = via === 'http' ? (await bed.nginx(source)).url : pathToFileURL(source).href;
  return { receiver: await bed.daemon('receiver', { origins: [origin] }) };
}

function peakMib(pid: number): number {
  const kib = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Math.round(Number(kib) / 1024);
}
