import { readFileSync } from 'node:fs';
import { runCommand } from '../../test/support/run-shoal.ts';

export interface Timing {
  readonly seconds: number;
  /** Of the receiving side. */
  readonly cpuSeconds: number;
  /** Of the sending side, where it is one process. */
  readonly senderCpuSeconds?: number;
}

/** Wall clock and CPU of one command, as bash's `time` has them. */
export async function timeCommand(command: readonly string[], options: { cwd?: string } = {}): Promise<Timing> {
  const quoted = command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
  return await timeShell(quoted, options);
}

/** The same for a pipeline. */
export async function timeShell(script: string, options: { cwd?: string } = {}): Promise<Timing> {
  const timed = `set -o pipefail; TIMEFORMAT='timed %R %U %S'; time { ${script}; }`;
  const result = await runCommand(['bash', '-c', timed], { ...options, timeoutMs: 600_000 });
  const match = /^timed (\S+) (\S+) (\S+)$/m.exec(result.stderr);
  if (result.code !== 0 || match === null)
    throw new Error(`${script} failed (${String(result.code)}): ${result.stderr}`);
  return { seconds: Number(match[1]), cpuSeconds: Number(match[2]) + Number(match[3]) };
}

const TICKS_PER_SECOND = 100; // USER_HZ, the same on every Linux that runs Node

/** CPU seconds that a process has used so far, all threads. */
export function cpuSecondsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}
