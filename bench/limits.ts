import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateKeyPair } from '@libp2p/crypto/keys';
import { generateCertificate } from '@libp2p/tls/utils';
import { endProcess, spawnOwned } from '../test/support/child-process.ts';
import { makeSafetensors } from '../test/support/make-safetensors.ts';
import { runCommand } from '../test/support/run-shoal.ts';
import { TestBed } from '../test/support/test-bed.ts';
import { type Benchmark, formatTable, median, numberOption, textOption } from './benchmark.ts';
import { cpuSecondsOf } from './link/timed.ts';
import { touchMemory } from './link/touch-memory.ts';

const END = join(import.meta.dirname, 'limits/end.ts');

/** Each adds one thing to another, so that the difference is its price. */
const STEPS = [
  { steps: 'socket', does: 'plain TCP, bytes thrown away' },
  { steps: 'socket+write', does: 'and written to a new file' },
  { steps: 'socket+write+blake3', does: 'and BLAKE3 of each piece' },
  { steps: 'socket+write+blake3+tls', does: 'and TLS 1.3' },
  { steps: 'socket+write+blake3+tls+sha256', does: 'and sha256 beside it: all that shoal does' },
] as const;

interface Run {
  readonly seconds: number;
  readonly receiver: number;
  readonly sender: number;
}

/** What this machine can do without any daemon: one Node process to another, step by step; in turn within each round. */
export const benchmark: Benchmark = {
  summary: 'plain Node sockets to a file, and what each step costs  [--mib 1024] [--runs 3] [--dir DIR]',

  async run(args) {
    const mib = numberOption(args, '--mib', 1024);
    const runs = numberOption(args, '--runs', 3);
    const under = textOption(args, '--dir', existsSync('/dev/shm') ? '/dev/shm' : tmpdir());
    await using bed = await TestBed.open({ under });
    const directory = await bed.makeDirectory('source');
    const { file } = await makeSafetensors(join(directory, 'bench.safetensors'), {
      seed: 'limits',
      sizeBytes: mib * 2 ** 20,
      family: 'sdxl',
    });
    const { cert, key } = await generateCertificate(await generateKeyPair('Ed25519'));
    const measured = new Map<string, Run[]>(STEPS.map(({ steps }) => [steps, []]));
    for (let round = 1; round <= runs; round += 1) {
      for (const { steps } of STEPS) {
        const target = join(directory, 'target.bin');
        touchMemory(directory, mib);
        const run = await transfer({ file, target, steps, cert, key });
        await rm(target);
        measured.get(steps)?.push(run);
        console.error(`round ${round}: ${steps.padEnd(32)} ${(mib / run.seconds).toFixed(0)} MiB/s`);
      }
    }
    const results = STEPS.map(({ steps, does }) => {
      const of = (pick: (run: Run) => number): number => median((measured.get(steps) ?? []).map(pick));
      const perGib = 1024 / mib;
      return {
        steps,
        does,
        mibPerSecond: mib / of(({ seconds }) => seconds),
        receiver: of(({ receiver }) => receiver) * perGib,
        sender: of(({ sender }) => sender) * perGib,
      };
    });
    const rows = results.map(({ steps, does, mibPerSecond, receiver, sender }) => [
      steps,
      mibPerSecond.toFixed(0),
      receiver.toFixed(2),
      sender.toFixed(2),
      does,
    ]);
    console.log(formatTable([['', 'MiB/s', 'CPU s/GiB receiving', 'sending', ''], ...rows]));
    return { mib, results };
  },
};

async function transfer(course: {
  file: string;
  target: string;
  steps: string;
  cert: string;
  key: string;
}): Promise<Run> {
  const { file, target, steps, cert, key } = course;
  const sender = spawnOwned([process.execPath, END, 'send', file, steps, cert, key], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const port = await new Promise<string>((resolve) => {
      sender.child.stdout?.once('data', (bytes: Buffer) => resolve(bytes.toString().trim()));
    });
    const pid = sender.child.pid ?? 0;
    const before = cpuSecondsOf(pid);
    const result = await runCommand([process.execPath, END, 'receive', port, target, steps], { timeoutMs: 600_000 });
    if (result.code !== 0) throw new Error(result.stderr);
    const { seconds, cpuSeconds } = result.json() as { seconds: number; cpuSeconds: number };
    return { seconds, receiver: cpuSeconds, sender: cpuSecondsOf(pid) - before };
  } finally {
    await endProcess(sender, 2_000);
  }
}
