import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { endProcess, type OwnedProcess, spawnOwned } from '../../test/support/child-process.ts';
import { eventually } from '../../test/support/wait.ts';
import type { Host } from '../network/network.ts';

const HTTP_PORT = 80;
const SFTP_PORT = 2022;
const SFTP_SERVER = '/usr/lib/openssh/sftp-server';

/** Why a NAS that gives a mount cannot be had here. */
export function missingForMounts(): string[] {
  return existsSync(SFTP_SERVER) ? [] : ['the server of a mount is missing: apt-get install openssh-sftp-server'];
}

/** A host that serves one directory: over HTTP (nginx), and as a mount for nodes that are to see files nobody has hashed. */
export class Nas implements AsyncDisposable {
  readonly host: Host;
  readonly directory: string;
  readonly #servers: OwnedProcess[] = [];
  readonly #mounts: OwnedProcess[] = [];

  private constructor(host: Host, directory: string) {
    this.host = host;
    this.directory = directory;
  }

  /** @param options.home for its configuration and logs */
  static async start(host: Host, options: { directory: string; home: string; withMounts: boolean }): Promise<Nas> {
    const nas = new Nas(host, options.directory);
    await mkdir(options.home, { recursive: true });
    const conf = join(options.home, 'nginx.conf');
    await writeFile(conf, nginxConf(options));
    nas.#servers.push(spawnOwned([...host.wrapper, 'nginx', '-e', 'stderr', '-c', conf], { stdio: 'ignore' }));
    if (options.withMounts) {
      const listen = `TCP-LISTEN:${SFTP_PORT},fork,reuseaddr,nodelay`;
      nas.#servers.push(spawnOwned([...host.wrapper, 'socat', listen, `EXEC:${SFTP_SERVER} -R`], { stdio: 'ignore' }));
    }
    await eventually('the NAS answers', async () => (await fetch(`http://${host.controlAddress}/`)).status > 0);
    return nas;
  }

  url(path = ''): string {
    return `http://${this.host.address}:${HTTP_PORT}/${path}`;
  }

  /** The directory mounted for one node; what it reads travels over that node's link. Read-only. */
  async mountOn(node: Host, at: string): Promise<void> {
    await mkdir(at, { recursive: true });
    // Plain SFTP without ssh: a link of some 50 Mbit/s is to be the limit, not encryption.
    const flags = ['-f', '-o', `directport=${SFTP_PORT},ro,dir_cache=no`];
    const source = `${this.host.address}:${this.directory}`;
    this.#mounts.push(spawnOwned([...node.wrapper, 'sshfs', source, at, ...flags], { stdio: 'ignore' }));
    await eventually(`${node.name} has mounted the NAS`, () => spawnSync('mountpoint', ['-q', at]).status === 0);
    await readAhead(at);
  }

  async unmountAll(): Promise<void> {
    await Promise.all(this.#mounts.splice(0).map((mount) => endProcess(mount, 2_000)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.race([this.unmountAll(), delay(5_000)]);
    await Promise.all(this.#servers.map((server) => endProcess(server, 1_000)));
  }
}

/** As far as an NFS server's one reply goes; FUSE's 128 KiB leave a line idle for half of the time, whoever reads. */
async function readAhead(mount: string): Promise<void> {
  const device = spawnSync('mountpoint', ['-d', mount], { encoding: 'utf8' }).stdout.trim();
  await writeFile(`/sys/class/bdi/${device}/read_ahead_kb`, '1024');
}

function nginxConf({ directory, home }: { directory: string; home: string }): string {
  const scratch = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((what) => `${what}_temp_path ${join(home, 'tmp')};`)
    .join(' ');
  return `user root; daemon off; worker_processes 1; pid ${join(home, 'pid')}; error_log ${join(home, 'error.log')};
    events {} http { access_log off; sendfile on; default_type application/octet-stream; ${scratch}
    server { listen ${HTTP_PORT}; root ${directory}; } }\n`;
}
