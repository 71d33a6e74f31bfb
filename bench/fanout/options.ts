import { parseArgs } from 'node:util';

export interface FanoutOptions {
  readonly nodes: number;
  readonly mib: number;
  /** Of each node's link, each way. */
  readonly nodeMbits: readonly number[];
  readonly nasMbit: number;
  readonly rounds: number;
  readonly seed: string;
  readonly published: boolean;
  /** In place of the NAS a daemon like the others, on its host: it has the file from the beginning. */
  readonly fromNode: boolean;
  /** The daemons have never fetched anything: what they do is compiled for the first time, on all nodes at once. */
  readonly cold: boolean;
  readonly against: readonly Rival[];
  readonly fault: Fault;
  /** Where to draw how the pieces spread. */
  readonly picture: string | undefined;
  /** Where to keep the daemons' logs. */
  readonly logs: string | undefined;
}

/** `libtorrent` is super-seeding: the seed gives each piece to another node first. */
export type Rival = 'libtorrent' | 'libtorrent-plain' | 'curl';

const RIVALS: readonly Rival[] = ['libtorrent', 'libtorrent-plain', 'curl'];

/** What befalls the fleet, half way through. */
export type Fault =
  | { readonly kind: 'none' }
  | { readonly kind: 'kill'; readonly nodes: number }
  | { readonly kind: 'join' }
  | { readonly kind: 'nas-gone' }
  | { readonly kind: 'cut'; readonly seconds: number };

/** Nodes of unequal rate: half, equal, equal, double, and so on. */
const UNEQUAL = [0.5, 1, 1, 2];

export const USAGE = `[--nodes 8] [--mib 256] [--mbit 50] [--nas-mbit M] [--unpublished | --from-node] [--unequal] [--cold]
             [--kill K | --join | --nas-gone | --cut SECONDS] [--against libtorrent,curl] [--rounds 3] [--seed S]
             [--picture FILE.svg] [--logs DIR]`;

/** @throws Error that says what is wrong with an option */
export function fanoutOptions(args: readonly string[]): FanoutOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      nodes: { type: 'string', default: '8' },
      mib: { type: 'string', default: '256' },
      mbit: { type: 'string', default: '50' },
      'nas-mbit': { type: 'string' },
      rounds: { type: 'string', default: '3' },
      seed: { type: 'string', default: '1' },
      unpublished: { type: 'boolean', default: false },
      'from-node': { type: 'boolean', default: false },
      unequal: { type: 'boolean', default: false },
      cold: { type: 'boolean', default: false },
      against: { type: 'string', default: '' },
      kill: { type: 'string' },
      join: { type: 'boolean', default: false },
      'nas-gone': { type: 'boolean', default: false },
      cut: { type: 'string' },
      picture: { type: 'string' },
      logs: { type: 'string' },
    },
  });
  const nodes = positive('--nodes', values.nodes);
  const mbit = positive('--mbit', values.mbit);
  if (values.unpublished && values['from-node']) throw new Error('one of --unpublished and --from-node at a time');
  const factors = values.unequal ? UNEQUAL : [1];
  return {
    nodes,
    mib: positive('--mib', values.mib),
    nodeMbits: Array.from({ length: nodes }, (_, index) => mbit * (factors[index % factors.length] ?? 1)),
    nasMbit: positive('--nas-mbit', values['nas-mbit'] ?? String(mbit)),
    rounds: positive('--rounds', values.rounds),
    seed: values.seed,
    published: !values.unpublished,
    fromNode: values['from-node'],
    cold: values.cold,
    against: rivals(values.against),
    fault: faultOf(values, nodes),
    picture: values.picture,
    logs: values.logs,
  };
}

interface FaultFlags {
  readonly kill?: string | undefined;
  readonly join: boolean;
  readonly 'nas-gone': boolean;
  readonly cut?: string | undefined;
}

function faultOf(flags: FaultFlags, nodes: number): Fault {
  const faults: Fault[] = [];
  if (flags.kill !== undefined) faults.push({ kind: 'kill', nodes: positive('--kill', flags.kill) });
  if (flags.join) faults.push({ kind: 'join' });
  if (flags['nas-gone']) faults.push({ kind: 'nas-gone' });
  if (flags.cut !== undefined) faults.push({ kind: 'cut', seconds: positive('--cut', flags.cut) });
  const [fault = { kind: 'none' }, another] = faults;
  if (another !== undefined) throw new Error('one of --kill, --join, --nas-gone and --cut at a time');
  if (fault.kind === 'kill' && fault.nodes >= nodes) throw new Error('--kill must leave some nodes');
  if (nodes < 2 && fault.kind !== 'none') throw new Error(`--${fault.kind} needs two nodes at least`);
  return fault;
}

function rivals(text: string): Rival[] {
  return text
    .split(',')
    .filter((name) => name !== '')
    .map((name) => {
      const rival = RIVALS.find((known) => known === name);
      if (rival === undefined) throw new Error(`--against knows ${RIVALS.join(', ')}, not ${name}`);
      return rival;
    });
}

function positive(flag: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`${flag} needs a positive number`);
  return value;
}
