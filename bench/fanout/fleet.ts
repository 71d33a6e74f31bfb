import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DaemonProcess } from '../../test/support/daemon-process.ts';
import { TestBed } from '../../test/support/test-bed.ts';
import { eventually } from '../../test/support/wait.ts';
import { PRIVATE_DIRECTORY } from '../isolation.ts';
import type { Host } from '../network/network.ts';

const API_PORT = 7420;
const LISTEN_PORT = 7421;
const LANE_PORT = 7422;
const READY_MS = 120_000;

export interface FleetOptions {
  readonly hosts: readonly Host[];
  readonly originOf: (host: Host) => readonly string[];
  readonly args?: readonly string[];
}

/** Real daemons, one on each host, that know each other by address. */
export class Fleet implements AsyncDisposable {
  readonly daemons: DaemonProcess[] = [];
  readonly #options: FleetOptions;
  readonly #bed: TestBed;
  readonly #token = randomBytes(16).toString('hex');

  private constructor(options: FleetOptions, bed: TestBed) {
    this.#options = options;
    this.#bed = bed;
  }

  static async open(options: FleetOptions): Promise<Fleet> {
    return new Fleet(options, await TestBed.open({ under: PRIVATE_DIRECTORY }));
  }

  /** The directory that a host's daemon keeps stocked; it may be filled before the daemon starts. */
  async modelsDir(host: Host): Promise<string> {
    return await this.#bed.makeDirectory(host.name, 'models');
  }

  async start(host: Host): Promise<DaemonProcess> {
    const { hosts, originOf, args = [] } = this.#options;
    const bootstrap = hosts.filter((other) => other !== host).map((other) => multiaddr(other));
    const daemon = await this.#bed.daemon(host.name, {
      wrapper: host.wrapper,
      token: this.#token,
      bootstrap,
      origins: originOf(host),
      readyTimeoutMs: READY_MS,
      args: [
        ...['--api', `${host.controlAddress}:${API_PORT}`, '--listen', `${host.address}:${LISTEN_PORT}`],
        ...['--lane', `${host.address}:${LANE_PORT}`, '--settle', '100ms', ...args],
      ],
    });
    this.daemons.push(daemon);
    return daemon;
  }

  /** The first alone, because it brings the fleet key into being, then the others together. */
  async startAll(hosts: readonly Host[]): Promise<DaemonProcess[]> {
    const [first, ...others] = hosts;
    if (first === undefined) return [];
    return [await this.start(first), ...(await Promise.all(others.map((host) => this.start(host))))];
  }

  /** Waits until every daemon is connected to every other and knows the model. */
  async acquainted(daemons: readonly DaemonProcess[], model?: string): Promise<void> {
    for (const daemon of daemons) {
      await eventually(
        `${daemon.name} knows the others`,
        async () => {
          const known = (await daemon.peers()).filter((peer) => peer.connected).length;
          if (known < daemons.length - 1) throw new Error(`it knows ${known} of ${daemons.length - 1}`);
          return model === undefined || (await daemon.model(model)).id === model;
        },
        { timeoutMs: READY_MS, everyMs: 100 },
      );
    }
  }

  async keepLogs(directory: string): Promise<void> {
    for (const daemon of this.daemons) {
      const lines = daemon.log.lines.map((line) => (line.level === 'raw' ? line.msg : JSON.stringify(line)));
      await writeFile(join(directory, `${daemon.name}.log`), `${lines.join('\n')}\n`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // All at once and without ceremony: nothing of them is needed any more.
    await Promise.all(this.daemons.filter((daemon) => daemon.isRunning).map((daemon) => daemon.kill()));
    await this.#bed[Symbol.asyncDispose]();
  }
}

function multiaddr(host: Host): string {
  return `/ip4/${host.address}/tcp/${LISTEN_PORT}`;
}
