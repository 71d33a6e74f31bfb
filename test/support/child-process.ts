import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

export const PROJECT_ROOT = dirname(dirname(import.meta.dirname));
export const SHOAL = join(PROJECT_ROOT, 'bin/shoal');

/** Linux kills the child when this process dies, however it dies, so that no test leaves a daemon behind. */
const DIE_WITH_PARENT = existsSync('/usr/bin/setpriv') ? ['/usr/bin/setpriv', '--pdeathsig', 'KILL', '--'] : [];

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface OwnedProcess {
  readonly child: ChildProcess;
  /** Equal to the program's own: what stands before it (setpriv, sh) replaces itself. */
  readonly pid: number;
  readonly exited: Promise<Exit>;
  readonly isRunning: () => boolean;
}

/** Starts a program that never outlives this process. */
export function spawnOwned(command: readonly string[], options: SpawnOptions = {}): OwnedProcess {
  const [file = '', ...args] = [...DIE_WITH_PARENT, ...command];
  const child = spawn(file, args, options);
  running.add(child);
  const exited = new Promise<Exit>((resolve, reject) => {
    child.on('error', (error) => {
      running.delete(child);
      reject(error);
    });
    child.on('exit', (code, signal) => {
      running.delete(child);
      resolve({ code, signal });
    });
  });
  exited.catch(() => undefined); // whoever awaits it hears of it
  return { child, pid: child.pid ?? -1, exited, isRunning: () => running.has(child) };
}

/** Asks with SIGTERM, insists with SIGKILL after `graceMs`. */
export async function endProcess(owned: OwnedProcess, graceMs = 10_000): Promise<Exit> {
  if (owned.isRunning()) {
    owned.child.kill('SIGTERM');
    owned.child.kill('SIGCONT'); // a stopped process would never hear of it
  }
  const timer = setTimeout(() => owned.child.kill('SIGKILL'), graceMs);
  try {
    return await owned.exited;
  } finally {
    clearTimeout(timer);
  }
}
