import { execFileSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { endProcess, type OwnedProcess, spawnOwned } from '../../test/support/child-process.ts';
import { eventually } from '../../test/support/wait.ts';

/** A frame of 64 KiB fits; a bucket that is larger would let short transfers pass unshaped. */
const BURST = '64k';
/** How long a packet may wait in front of a link before it is dropped: the buffer of an ordinary switch. */
const QUEUE = '100ms';
/**
 * So many packets at most go through the switch in one go, as a network card with segmentation offload takes them. The
 * links count each with its headers all the same; cutting them in software would take a third of two cores with eight
 * hosts at 50 Mbit/s each, which is the work of eight cards. More at a time would be cheaper still, but a full queue
 * drops them together, which no real one does: with 32 a file that is read from a mount took up to 1.5 times the bound.
 */
const OFFLOAD = 8;
/** What Linux has unless somebody chose another. */
const CONGESTION_CONTROL = 'cubic';
const CONTROL = 'control';
const LAN = 'lan';

export interface Traffic {
  /** Every byte on the wire, headers of Ethernet, IP and TCP included. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/**
 * Hosts on one switch, each in a network namespace of its own, with a link that is shaped in both directions. A second,
 * unshaped network reaches every host's API, so that asking how things stand does not disturb what is measured.
 * Only for a process that is isolated: the switch stands in its own namespace.
 */
export class Network implements AsyncDisposable {
  readonly hosts: Host[] = [];

  static create(): Network {
    shell(`
      for net in default all; do echo 1 > /proc/sys/net/ipv6/conf/$net/disable_ipv6; done
      ip link add ${LAN} type bridge && ip link set ${LAN} up
      ip link add ${CONTROL} type bridge && ip link set ${CONTROL} up
      # A switch asks no firewall.
      for hook in /proc/sys/net/bridge/bridge-nf-call-*tables; do [ ! -e $hook ] || echo 0 > $hook; done
      ip addr add 10.78.255.254/16 dev ${CONTROL}`);
    return new Network();
  }

  /** @param options.mbit of its link, each way; 0 for one that is not shaped */
  async host(options: { readonly name: string; readonly mbit: number }): Promise<Host> {
    const host = await Host.create({ ...options, index: this.hosts.length + 1 });
    this.hosts.push(host);
    return host;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.hosts.splice(0).map((host) => host[Symbol.asyncDispose]()));
  }
}

export class Host implements AsyncDisposable {
  readonly name: string;
  /** Where the other hosts reach it. */
  readonly address: string;
  /** Where this process reaches it. */
  readonly controlAddress: string;
  readonly mbit: number;
  /** Stands before a command that is to run there; it replaces itself, so the process keeps its id. */
  readonly wrapper: readonly string[];
  /** The switch's end of its cable. */
  readonly #port: string;
  readonly #holder: OwnedProcess;

  private constructor(options: { name: string; index: number; mbit: number }, holder: OwnedProcess) {
    const { index } = options;
    this.name = options.name;
    this.mbit = options.mbit;
    this.address = `10.77.${index >> 8}.${index & 255}`;
    this.controlAddress = `10.78.${index >> 8}.${index & 255}`;
    this.wrapper = ['nsenter', `--net=/proc/${holder.pid}/ns/net`, '--'];
    this.#port = `lan${index}`;
    this.#holder = holder;
  }

  static async create(options: { name: string; index: number; mbit: number }): Promise<Host> {
    const holder = spawnOwned(['unshare', '--net', '--', 'sleep', 'infinity'], { stdio: 'ignore' });
    await eventually('the host has a network of its own', () => namespaceOf(holder.pid) !== namespaceOf('self'), {
      everyMs: 5,
    });
    const host = new Host(options, holder);
    host.#connect(options.index);
    return host;
  }

  #connect(index: number): void {
    shell(`
      ip link add ${this.#port} type veth peer name eth0 netns ${this.#holder.pid}
      ip link add control${index} type veth peer name control netns ${this.#holder.pid}
      ip link set ${this.#port} master ${LAN} up
      ip link set control${index} master ${CONTROL} up`);
    this.#run(`
      for net in default all; do echo 1 > /proc/sys/net/ipv6/conf/$net/disable_ipv6; done
      ip link set lo up
      ip addr add ${this.address}/16 dev eth0 && ip link set eth0 up
      ip route replace 10.77.0.0/16 dev eth0 src ${this.address} congctl ${CONGESTION_CONTROL}
      ip addr add ${this.controlAddress}/16 dev control && ip link set control up`);
    if (this.mbit === 0) return;
    this.#run(`ip link set dev eth0 gso_max_segs ${OFFLOAD}; ${shaping('eth0', this.mbit)}`);
    shell(shaping(this.#port, this.mbit));
  }

  /** Since it was made. */
  traffic(): Traffic {
    if (this.mbit > 0) return { sentBytes: passed('eth0', this.wrapper), receivedBytes: passed(this.#port) };
    const line = readFileSync('/proc/net/dev', 'utf8')
      .split('\n')
      .find((text) => text.trim().startsWith(`${this.#port}:`));
    const counts = (line ?? '').replace(/^.*:/, '').trim().split(/\s+/).map(Number);
    // Seen from the switch: what it receives is what the host has sent.
    return { sentBytes: counts[0] ?? Number.NaN, receivedBytes: counts[8] ?? Number.NaN };
  }

  /** Packets vanish from now on, both ways, and nobody is told: no reset, no lost carrier. */
  cut(): void {
    shell(`ip link set ${this.#port} type bridge_slave state 0`);
  }

  heal(): void {
    shell(`ip link set ${this.#port} type bridge_slave state 3`);
  }

  #run(script: string): void {
    shell(script, this.wrapper);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await endProcess(this.#holder, 0);
  }
}

function shaping(device: string, mbit: number): string {
  return `tc qdisc replace dev ${device} root tbf rate ${Math.round(mbit * 1000)}kbit burst ${BURST} latency ${QUEUE}`;
}

/** What a shaped link has let through: an interface counts the headers of packets that go together only once. */
function passed(device: string, wrapper: readonly string[] = []): number {
  const [command, ...args] = [...wrapper, 'tc', '-s', '-j', 'qdisc', 'show', 'dev', device];
  const [qdisc] = JSON.parse(execFileSync(command, args, { encoding: 'utf8' })) as { bytes: number }[];
  return qdisc?.bytes ?? Number.NaN;
}

function namespaceOf(pid: number | 'self'): string {
  return readlinkSync(`/proc/${pid}/ns/net`);
}

function shell(script: string, wrapper: readonly string[] = []): void {
  const [command, ...args] = [...wrapper, 'sh', '-ec', script];
  execFileSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
}
