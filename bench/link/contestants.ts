import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { link, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generateFleetKey } from '../../src/swarm/fleet-key.ts';
import { endProcess, spawnOwned } from '../../test/support/child-process.ts';
import type { DaemonProcess } from '../../test/support/daemon-process.ts';
import { freePort } from '../../test/support/free-port.ts';
import type { LogLine } from '../../test/support/log-lines.ts';
import { runCommand } from '../../test/support/run-shoal.ts';
import type { TestBed } from '../../test/support/test-bed.ts';
import { eventually } from '../../test/support/wait.ts';
import { cpuSecondsOf, type Timing, timeCommand, timeShell } from './timed.ts';

export interface Contestant {
  readonly name: string;
  /** What it checks and whether it is encrypted. */
  readonly does: string;
  /** Fetches the file to a place where it does not exist yet; returns where it lies, if it was kept at all. */
  readonly fetch: () => Promise<Timing & { file?: string }>;
}

export interface Course {
  readonly bed: TestBed;
  /** The file to fetch, in a directory of its own. */
  readonly sourceDirectory: string;
  readonly fileName: string;
}

/** Ways for pieces to go from one daemon to the other. */
export const SHOAL_LINKS = [
  { name: 'shoal', does: 'encrypted, BLAKE3 per piece, sha256, fsync', args: [] },
  { name: 'shoal-plain', does: 'the same without encryption', args: ['--lane-encryption', 'off'] },
  { name: 'shoal-libp2p', does: 'the same over a libp2p stream', args: ['--lane', 'off'] },
] as const;

/** Two daemons; from the want to "installed", so with both digests, fsync and rename. */
export async function shoalPeer(
  { bed, sourceDirectory, fileName }: Course,
  { name, does, args }: (typeof SHOAL_LINKS)[number],
): Promise<Contestant> {
  // Each pair has a directory of its own over the same file; it is hashed once more at the start.
  const models = await bed.makeDirectory(`${name}-source`);
  await link(join(sourceDirectory, fileName), join(models, fileName));
  // A fleet of their own: they would take pieces from the other pairs too.
  const fleetKeyFile = join(await bed.makeDirectory(`${name}-key`), 'fleet.key');
  await writeFile(fleetKeyFile, generateFleetKey(), { mode: 0o600 });
  const own = { args: [...args], fleetKeyFile };
  const sender = await bed.daemon(`${name}-sender`, {
    ...own,
    models,
    args: ['--settle', '100ms', ...args],
    bootstrap: [],
  });
  await sender.waitForModel(fileName, 'installed', 120_000);
  const receiver = await bed.daemon(`${name}-receiver`, { ...own, bootstrap: [sender.listen[0] ?? ''] });
  await eventually('the receiver hears of the file', async () =>
    (await receiver.models('fleet')).some((model) => model.id === fileName),
  );
  return {
    name,
    does,
    async fetch() {
      if ((await receiver.model(fileName)).state === 'installed') {
        await receiver.json(`/v1/models/${fileName}`, 'DELETE');
        await receiver.waitForModel(fileName, 'missing');
      }
      const cpu = { receiver: cpuSecondsOf(receiver.pid), sender: cpuSecondsOf(sender.pid) };
      const start = performance.now();
      await receiver.want(fileName);
      const seconds = ((await installedMs(receiver, fileName, start)) - start) / 1000;
      const from = (await receiver.json<{ peers: { transport: string }[] }>('/v1/peers')).peers.map(
        (peer) => peer.transport,
      );
      if (!from.includes(name === 'shoal-libp2p' ? 'stream' : 'lane'))
        throw new Error(`${name} went over ${from.join()}`);
      return {
        seconds,
        cpuSeconds: cpuSecondsOf(receiver.pid) - cpu.receiver,
        senderCpuSeconds: cpuSecondsOf(sender.pid) - cpu.sender,
        file: join(receiver.modelsDir, fileName),
      };
    },
  };
}

/** The moment of the daemon's own word: asking it again and again would cost it what is measured here. */
async function installedMs(daemon: DaemonProcess, fileName: string, sinceMs: number): Promise<number> {
  const isTold = ({ msg, model, arrivedMs }: LogLine): boolean =>
    msg === 'model installed' && model === fileName && arrivedMs >= sinceMs;
  const told = await eventually('installed', () => daemon.log.lines.findLast(isTold), {
    timeoutMs: 600_000,
    everyMs: 5,
  });
  return told.arrivedMs;
}

export async function curlFamily({ bed, sourceDirectory, fileName }: Course): Promise<Contestant[]> {
  const nginx = await bed.nginx(sourceDirectory, { tls: true });
  const fresh = freshPlace(bed, fileName);
  const plain = `${nginx.url}${fileName}`;
  const secret = `${nginx.tlsUrl}${fileName}`;
  return [
    {
      name: 'curl',
      does: 'plain, nothing checked',
      fetch: () => fresh((file) => timeCommand(['curl', '-sf', '-o', file, plain])),
    },
    {
      name: 'curl-tls',
      does: 'encrypted, nothing checked',
      fetch: () => fresh((file) => timeCommand(['curl', '-skf', '-o', file, secret])),
    },
    {
      name: 'curl-tls-sha256',
      does: 'encrypted, sha256',
      fetch: () =>
        fresh((file) => timeShell(`curl -skf '${secret}' | tee '${file}' | openssl dgst -sha256 >/dev/null`)),
    },
  ];
}

export async function rsync({ bed, sourceDirectory, fileName }: Course): Promise<Contestant> {
  const port = await freePort();
  const settings = join(await bed.makeDirectory('rsyncd'), 'rsyncd.conf');
  const user = process.getuid?.() === 0 ? 'uid=root\ngid=root\n' : '';
  await writeFile(
    settings,
    `address=127.0.0.1\nport=${port}\nuse chroot=no\n${user}[m]\npath=${sourceDirectory}\nread only=yes\n`,
  );
  const server = spawnOwned(['rsync', '--daemon', '--no-detach', `--config=${settings}`], { stdio: 'ignore' });
  bed.own({
    async [Symbol.asyncDispose]() {
      await endProcess(server, 2_000);
    },
  });
  const url = `rsync://127.0.0.1:${port}/m/${fileName}`;
  await eventually('rsync answers', () => spawnSync('rsync', [url]).status === 0);
  const fresh = freshPlace(bed, fileName);
  return {
    name: 'rsync',
    does: 'plain, checksum',
    fetch: () => fresh((file) => timeCommand(['rsync', '--whole-file', url, file])),
  };
}

export async function aria2({ bed, sourceDirectory, fileName }: Course): Promise<Contestant> {
  const nginx = await bed.nginx(sourceDirectory);
  const fresh = freshPlace(bed, fileName);
  const flags = ['-q', '-x4', '-s4', '-k1M', '--file-allocation=none'];
  return {
    name: 'aria2',
    does: 'plain, 4 connections',
    fetch: () =>
      fresh((_, directory) =>
        timeCommand(['aria2c', ...flags, '-d', directory, '-o', fileName, `${nginx.url}${fileName}`]),
      ),
  };
}

export function libtorrent({ bed, sourceDirectory, fileName }: Course): Contestant {
  const fresh = freshPlace(bed, fileName);
  const script = join(import.meta.dirname, 'libtorrent-link.py');
  return {
    name: 'libtorrent',
    does: 'plain, SHA-1 per piece',
    fetch: () =>
      fresh(async (_, directory) => {
        const result = await runCommand(['/usr/bin/python3', script, join(sourceDirectory, fileName), directory], {
          timeoutMs: 600_000,
        });
        if (result.code !== 0) throw new Error(result.stderr);
        return result.json() as Timing;
      }),
  };
}

export const has = {
  command: (name: string): boolean => spawnSync('sh', ['-c', `command -v ${name}`]).status === 0,
  nginx: (): boolean => ['/usr/sbin/nginx', '/usr/bin/nginx'].some((path) => existsSync(path)),
  libtorrent: (): boolean => spawnSync('/usr/bin/python3', ['-c', 'import libtorrent']).status === 0,
};

type Fetch = (file: string, directory: string) => Promise<Timing>;

/** A directory that is empty before each run. */
function freshPlace(bed: TestBed, fileName: string): (fetch: Fetch) => Promise<Timing & { file: string }> {
  const directory = join(bed.directory, 'out');
  return async (fetch) => {
    await rm(directory, { recursive: true, force: true });
    await mkdir(directory, { recursive: true });
    const file = join(directory, fileName);
    return { ...(await fetch(file, directory)), file };
  };
}
