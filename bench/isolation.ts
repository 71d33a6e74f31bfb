import { spawnSync } from 'node:child_process';
import { endProcess, spawnOwned } from '../test/support/child-process.ts';

/**
 * A benchmark of many hosts builds its network inside namespaces of its own: network, mounts, processes. Nothing in them
 * has a name outside, so two runs never meet, and all of it (bridges, mounts, files on the private /dev/shm, every
 * process) ends with the first process in them, also after SIGKILL: there is nothing to tear down.
 */
const UNSHARE = ['unshare', '--net', '--mount', '--pid', '--mount-proc', '--fork', '--kill-child=SIGKILL', '--'];
const MARK = 'SHOAL_BENCH_ISOLATED';
/** The files of a fleet lie in memory, so that links are measured and not this machine's disk. */
const ENTER = 'mount -t tmpfs -o size=90% shoal-bench /dev/shm && ip link set lo up && exec "$@"';

export const PRIVATE_DIRECTORY = '/dev/shm';

export function isIsolated(): boolean {
  return process.env[MARK] === '1';
}

/** Why namespaces cannot be had here, each with its remedy. */
export function missingForIsolation(): string[] {
  if (process.getuid?.() !== 0) return ['it makes network namespaces: run it as root'];
  const absent = missingCommands({ unshare: 'util-linux', nsenter: 'util-linux', mount: 'mount', ip: 'iproute2' });
  if (absent.length > 0) return absent;
  const [command = '', ...args] = UNSHARE;
  const tried = spawnSync(command, [...args, 'sh', '-c', ENTER, 'sh', 'true'], { encoding: 'utf8' });
  if (tried.status === 0) return [];
  const told = tried.stderr.trim();
  return [`namespaces are not permitted here (${told}): give the container CAP_SYS_ADMIN and CAP_NET_ADMIN`];
}

/** @param packages command → the Debian package that brings it */
export function missingCommands(packages: Readonly<Record<string, string>>): string[] {
  return Object.entries(packages)
    .filter(([command]) => spawnSync('sh', ['-c', `command -v ${command}`]).status !== 0)
    .map(([command, debianPackage]) => `${command} is missing: apt-get install ${debianPackage}`);
}

/** Runs this very command again inside; returns its exit code, 130 after SIGINT. */
export async function runIsolated(): Promise<number> {
  const again = ['sh', '-c', ENTER, 'sh', process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const inside = spawnOwned([...UNSHARE, ...again], { stdio: 'inherit', env: { ...process.env, [MARK]: '1' } });
  const interrupted = Promise.withResolvers<number>();
  const stop = (signal: NodeJS.Signals): void => interrupted.resolve(signal === 'SIGINT' ? 130 : 143);
  process.on('SIGINT', stop).on('SIGTERM', stop);
  try {
    return await Promise.race([inside.exited.then(({ code }) => code ?? 1), interrupted.promise]);
  } finally {
    // The parent of the namespaces takes no SIGTERM; its death takes everything inside along.
    await endProcess(inside, 0);
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
}
