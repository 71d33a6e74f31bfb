import { link, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DaemonProcess } from '../../test/support/daemon-process.ts';
import { sha256OfFile } from '../../test/support/hash-file.ts';
import { delay, eventually } from '../../test/support/wait.ts';
import { cpuSecondsOf } from '../link/timed.ts';
import { MachineLoad } from '../network/machine-load.ts';
import type { Host } from '../network/network.ts';
import { lowerBound } from './bound.ts';
import {
  type Contestant,
  type Course,
  type FaultFacts,
  HEAD_START_SECONDS,
  type NodeRun,
  type Round,
  WARM_UP_NAME,
} from './course.ts';
import { Fleet } from './fleet.ts';
import { PieceWatch } from './piece-watch.ts';

const LOOK_MS = 50;

interface Spent {
  readonly cpuSeconds: number;
  readonly originBytes: number;
  readonly wastedBytes: number;
}

/** One node of a round, from its want to the state "installed". */
interface Runner {
  readonly host: Host;
  readonly daemon: DaemonProcess;
  readonly watch: PieceWatch;
  readonly startMs: number;
  readonly before: Spent;
  readonly installedMs: Promise<number | undefined>;
}

/** Fresh daemons that have nothing: from the wants, all at one moment, until every node says "installed". */
export const shoal: Contestant = async (course, round) => {
  const { nodes, nas, options } = course;
  const mounts = join(nas.directory, '../mounts', String(round));
  const originOf = (host: Host): string => (options.published ? nas.url() : `file://${join(mounts, host.name)}`);
  await using fleet = await Fleet.open({
    hosts: options.fromNode ? [nas.host, ...nodes] : nodes,
    originOf: (host) => (options.fromNode ? [] : [originOf(host)]),
    args: options.logs === undefined ? [] : ['--log-level', 'debug'],
  });
  if (!options.published) for (const node of nodes) await nas.mountOn(node, join(mounts, node.name));
  const atOnce = options.fault.kind === 'join' ? nodes.slice(0, -1) : nodes;
  const daemons = await fleet.startAll(atOnce);
  const seeds = options.fromNode ? [await startSeed(fleet, course)] : [];
  await fleet.acquainted([...daemons, ...seeds], course.file.name);
  if (!options.cold) await warmUp(daemons);
  const before = await Promise.all(daemons.map(spentBy));
  await delay(HEAD_START_SECONDS * 1000);
  const sentBefore = nas.host.traffic().sentBytes;
  const load = new MachineLoad();
  const startMs = performance.now();
  const runners = await Promise.all(
    daemons.map((daemon, index) => run(course, { host: atOnce[index]!, daemon, startMs, before: before[index]! })),
  );
  const facts = await befall(course, { fleet, runners, startMs, sentBefore });
  const installed = await Promise.all(runners.map(({ installedMs }) => installedMs));
  const machineBusy = load.busy();
  const nasSentBytes = nas.host.traffic().sentBytes - sentBefore;
  const finished = runners.map((runner, index) => nodeRun(runner, { startMs, installedMs: installed[index] }));
  const result = await conclude(course, { runners, nodes: finished, nasSentBytes, machineBusy, facts });
  if (options.logs !== undefined) {
    const directory = join(options.logs, String(round));
    await mkdir(directory, { recursive: true });
    await fleet.keepLogs(directory);
    await writeFile(join(directory, 'round.json'), JSON.stringify(result));
  }
  await nas.unmountAll();
  return result;
};

/** One more daemon, where the NAS would be, that has what lies there. */
async function startSeed(fleet: Fleet, { nas, file }: Course): Promise<DaemonProcess> {
  const directory = await fleet.modelsDir(nas.host);
  for (const name of await readdir(nas.directory)) {
    if (name.endsWith('.safetensors')) await link(join(nas.directory, name), join(directory, name));
  }
  const seed = await fleet.start(nas.host);
  await seed.waitForModel(file.name, 'installed', 120_000);
  return seed;
}

/** As daemons have that have been up for a day. */
async function warmUp(daemons: readonly DaemonProcess[]): Promise<void> {
  await Promise.all(daemons.map((daemon) => daemon.want(WARM_UP_NAME)));
  await Promise.all(daemons.map((daemon) => daemon.waitForModel(WARM_UP_NAME, 'installed', 120_000)));
}

async function run(course: Course, start: Omit<Runner, 'watch' | 'installedMs'>): Promise<Runner> {
  const { daemon, startMs } = start;
  const { name: fileName, sizeBytes } = course.file;
  const watch = new PieceWatch({ modelsDir: daemon.modelsDir, fileName, sizeBytes }, startMs);
  await daemon.want(fileName);
  const installedMs = untilInstalled(course, daemon, watch);
  installedMs.catch(() => undefined); // awaited with the others, at the end
  return { ...start, watch, installedMs };
}

/** When it was; undefined when the daemon was killed meanwhile. */
async function untilInstalled(course: Course, daemon: DaemonProcess, watch: PieceWatch): Promise<number | undefined> {
  const deadlineMs = performance.now() + course.timeoutMs;
  try {
    for (;;) {
      // The daemon's own word, which costs it nothing: eight that are asked every few milliseconds are slower for it.
      const told = daemon.log.find(({ msg, model }) => msg === 'model installed' && model === course.file.name);
      watch.look(performance.now());
      if (told !== undefined) return told.arrivedMs;
      if (!daemon.isRunning) return undefined;
      if (performance.now() > deadlineMs)
        throw new Error(`${daemon.name} hangs: ${JSON.stringify(await daemon.transfers())}`);
      await delay(LOOK_MS);
    }
  } finally {
    watch.close();
  }
}

interface Scene {
  readonly fleet: Fleet;
  readonly runners: Runner[];
  readonly startMs: number;
  readonly sentBefore: number;
}

/** Does to the fleet what the options ask for, half way through. */
async function befall(course: Course, { fleet, runners, startMs, sentBefore }: Scene): Promise<FaultFacts> {
  const { options, nodes, nas, links } = course;
  const { fault } = options;
  const halfTime = async (): Promise<void> => {
    await delay(Math.max(0, startMs + (lowerBound(links) * 1000) / 2 - performance.now()));
  };
  const atSeconds = (): number => (performance.now() - startMs) / 1000;
  switch (fault.kind) {
    case 'none':
      return {};
    case 'kill': {
      await halfTime();
      const facts = { atSeconds: atSeconds() };
      await Promise.all(runners.slice(0, fault.nodes).map(({ daemon }) => daemon.kill()));
      return facts;
    }
    case 'join': {
      await halfTime();
      const startedMs = performance.now();
      const host = nodes.at(-1)!;
      const daemon = await fleet.start(host);
      await eventually('the late node knows the model', async () => (await daemon.model(course.file.name)).id !== '');
      const startupSeconds = (performance.now() - startedMs) / 1000;
      const facts = { atSeconds: atSeconds(), startupSeconds };
      const before = await spentBy(daemon);
      runners.push(await run(course, { host, daemon, before, startMs: performance.now() }));
      return facts;
    }
    case 'nas-gone': {
      await eventually('every piece is on some node', () => isOnceThere(course, runners), {
        timeoutMs: course.timeoutMs,
      });
      const copiesSent = (nas.host.traffic().sentBytes - sentBefore) / course.file.sizeBytes;
      const facts = { atSeconds: atSeconds(), copiesSent };
      nas.host.cut();
      await Promise.allSettled(runners.map(({ installedMs }) => installedMs));
      nas.host.heal();
      return facts;
    }
    case 'cut': {
      await halfTime();
      const [victim, ...others] = runners;
      const facts = { atSeconds: atSeconds() };
      victim!.host.cut();
      await delay(fault.seconds * 1000);
      victim!.host.heal();
      const healedMs = performance.now();
      await Promise.allSettled(runners.map(({ installedMs }) => installedMs));
      const next = victim!.watch.arrivals.find(({ atMs }) => atMs > healedMs);
      const othersWaitedSeconds = Math.max(...others.map(({ watch }) => watch.longestWaitMs)) / 1000;
      return {
        ...facts,
        othersWaitedSeconds,
        ...(next === undefined ? {} : { recoverySeconds: (next.atMs - healedMs) / 1000 }),
      };
    }
  }
}

function isOnceThere(course: Course, runners: readonly Runner[]): boolean {
  if (runners.some(({ watch }) => watch.isLinked)) return true;
  const pieces = new Set(runners.flatMap(({ watch }) => watch.arrivals.map(({ piece }) => piece)));
  return pieces.size === course.pieceCount;
}

function nodeRun(runner: Runner, times: { startMs: number; installedMs: number | undefined }): NodeRun {
  const { host, watch, startMs } = runner;
  const { installedMs } = times;
  return {
    name: host.name,
    mbit: host.mbit,
    seconds: installedMs === undefined ? undefined : (installedMs - startMs) / 1000,
    lateSeconds: (startMs - times.startMs) / 1000,
    longestWaitSeconds: watch.longestWaitMs / 1000,
    ...(installedMs === undefined ? {} : { tailSeconds: (installedMs - watch.lastMs) / 1000 }),
    arrivals: watch.arrivals.map(({ piece, atMs }) => ({ piece, atMs: atMs - times.startMs })),
  };
}

/** What the daemons count themselves, and whether every file is what it should be. */
async function conclude(
  course: Course,
  found: {
    runners: readonly Runner[];
    nodes: readonly NodeRun[];
    nasSentBytes: number;
    machineBusy: number;
    facts: FaultFacts;
  },
): Promise<Round> {
  const { file } = course;
  let wastedBytes = 0;
  let cpuSeconds = 0;
  const nodes: NodeRun[] = [];
  for (const [index, { daemon, before }] of found.runners.entries()) {
    const node = found.nodes[index]!;
    if (!daemon.isRunning) {
      nodes.push(node);
      continue;
    }
    const spent = await spentBy(daemon);
    cpuSeconds += spent.cpuSeconds - before.cpuSeconds;
    wastedBytes += spent.wastedBytes - before.wastedBytes;
    const originBytes = spent.originBytes - before.originBytes;
    const peakMib = Math.round((await daemon.memory()).peakRssBytes / 2 ** 20);
    nodes.push({ ...node, originBytes, peakMib });
    if ((await daemon.model(file.name)).state !== 'installed')
      throw new Error(`${daemon.name} does not say so in its API`);
    if ((await sha256OfFile(join(daemon.modelsDir, file.name))) !== file.sha256)
      throw new Error(`${daemon.name} installed something else`);
  }
  const { nasSentBytes, machineBusy, facts } = found;
  return { contestant: 'shoal', nodes, nasSentBytes, wastedBytes, cpuSeconds, machineBusy, facts };
}

/** Since it was started. */
async function spentBy(daemon: DaemonProcess): Promise<Spent> {
  return {
    cpuSeconds: cpuSecondsOf(daemon.pid),
    originBytes: await daemon.metric('shoal_received_bytes_total', { source: 'origin' }),
    wastedBytes: await daemon.metric('shoal_refetched_bytes_total'),
  };
}
