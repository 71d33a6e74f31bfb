import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { endProcess, spawnOwned } from './child-process.ts';
import { firstMissing, insist, type Missing, missingCommand, skipWithout } from './needs.ts';
import { eventually } from './wait.ts';

const missingMount = canMount();
const missingFuse = firstMissing(
  () => missingMount,
  () => missingCommand('bindfs', 'bindfs'),
  () => (existsSync('/dev/fuse') ? false : '/dev/fuse is missing: give the container that device'),
);
/** `test(name, { skip: needsMount }, …)` */
export const needsMount = skipWithout(missingMount);
export const needsFuse = skipWithout(missingFuse);

function canMount(): Missing {
  if (process.getuid?.() !== 0) return 'it mounts file systems: run it as root';
  if (spawnSync('unshare', ['--mount', 'true']).status === 0) return false;
  return 'mounting is not permitted here: give the container CAP_SYS_ADMIN';
}

export interface Mount extends AsyncDisposable {
  readonly directory: string;
}

/** A real file system of that size: when it is full, it is full. */
export async function mountSmallDisk(directory: string, sizeBytes: number): Promise<Mount> {
  insist(missingMount);
  await mkdir(directory, { recursive: true });
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'shoal-test', directory]);
  return { directory, [Symbol.asyncDispose]: () => unmount(directory) };
}

export interface HangableMount extends Mount {
  /** From now on every system call on the mount waits, as on a NAS that was switched off under a hard NFS mount. */
  hang(): void;
  resume(): void;
}

/** `source` mounted a second time through a FUSE process that can be stopped. */
export async function mountHangable(source: string, directory: string): Promise<HangableMount> {
  insist(missingFuse);
  await mkdir(directory, { recursive: true });
  const owned = spawnOwned(
    ['bindfs', '-f', '--no-allow-other', '-o', 'attr_timeout=0,entry_timeout=0,direct_io', source, directory],
    { stdio: 'ignore' },
  );
  await eventually('the FUSE mount is there', () => spawnSync('mountpoint', ['-q', directory]).status === 0);
  return {
    directory,
    hang: () => void owned.child.kill('SIGSTOP'),
    resume: () => void owned.child.kill('SIGCONT'),
    async [Symbol.asyncDispose]() {
      owned.child.kill('SIGCONT');
      await unmount(directory);
      await endProcess(owned, 3_000).catch(() => undefined);
    },
  };
}

async function unmount(directory: string): Promise<void> {
  await eventually('the mount is free', () => {
    // Lazily as a last resort: a test that failed must not leave a mount behind that keeps its directory busy.
    return spawnSync('umount', [directory]).status === 0 || spawnSync('umount', ['-l', directory]).status === 0;
  });
}
