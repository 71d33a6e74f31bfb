import { link, mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { DaemonProcess } from '../test/support/daemon-process.ts';
import { safetensorsHeader } from '../test/support/make-safetensors.ts';
import { delay, eventually } from '../test/support/wait.ts';
import { type Benchmark, formatTable, median, numberOption, percentile } from './benchmark.ts';
import { Fleet } from './fanout/fleet.ts';
import { missingCommands } from './isolation.ts';
import { cpuSecondsOf } from './link/timed.ts';
import { type Host, Network } from './network/network.ts';

const GOAL_IDLE_BYTES_PER_SECOND = 1_024;
const GOAL_KNOWN_MS = 1_000;
const MODEL_BYTES = 40 * 1_024;
const FILES_PER_FOLDER = 500;
const GOAL_RESTART_SECONDS = 5;
const ASK_EVERY_MS = 20;

/**
 * What it costs to keep a fleet acquainted: every node holds all the models, so each record is as large as it can be.
 * Bytes are counted on the nodes' interfaces, so headers and acknowledgements are part of them.
 */
export const benchmark: Benchmark = {
  summary:
    'what an idle fleet says, and how soon all know a new model, a start with all of them known  [--models 10000] [--nodes 8] [--idle-seconds 120] [--news 10]',
  isolated: true,

  missing: () => missingCommands({ tc: 'iproute2' }),

  async run(args) {
    const models = numberOption(args, '--models', 10_000);
    const nodes = numberOption(args, '--nodes', 8);
    const idleSeconds = numberOption(args, '--idle-seconds', 120);
    const news = numberOption(args, '--news', 10);
    await using network = Network.create();
    for (let index = 1; index <= nodes; index += 1) await network.host({ name: `node${index}`, mbit: 0 });
    await using fleet = await Fleet.open({ hosts: network.hosts, originOf: () => [] });
    const [first, ...others] = await Promise.all(network.hosts.map((host) => fleet.modelsDir(host)));
    const paths = await fill(first!, models);
    for (const directory of others) await linkAll(paths, { from: first!, to: directory });
    const startMs = performance.now();
    const daemons = await fleet.startAll(network.hosts);
    await acquainted(fleet, daemons, models);
    const acquaintedSeconds = (performance.now() - startMs) / 1000;
    console.error(`all know all after ${acquaintedSeconds.toFixed(0)} s; idle for ${idleSeconds} s`);
    const idle = await measureIdle(network.hosts, daemons, idleSeconds);
    const knownMs: number[] = [];
    for (let index = 1; index <= news; index += 1) knownMs.push(...(await announce(daemons, index)));
    const memory = await Promise.all(daemons.map((daemon) => daemon.memory()));
    const restart = await measureRestart(daemons[0]!);
    const result = {
      ...{ models, nodes, acquaintedSeconds: Math.round(acquaintedSeconds) },
      idleBytesPerSecond: Math.round(Math.max(...idle.map(({ bytesPerSecond }) => bytesPerSecond))),
      idleCpuPercent: Math.round(1000 * Math.max(...idle.map(({ cpuShare }) => cpuShare))) / 10,
      knownMs: { median: Math.round(median(knownMs)), worst: Math.round(Math.max(...knownMs)) },
      knownP99Ms: Math.round(percentile(knownMs, 0.99)),
      rssMib: mib(Math.max(...memory.map(({ rssBytes }) => rssBytes))),
      peakRssMib: mib(Math.max(...memory.map(({ peakRssBytes }) => peakRssBytes))),
      restart,
    };
    console.log(tableOf(result));
    return { ...result, missed: missed(result) };
  },
};

interface Result {
  readonly idleBytesPerSecond: number;
  readonly idleCpuPercent: number;
  readonly knownMs: { readonly median: number; readonly worst: number };
  readonly knownP99Ms: number;
  readonly rssMib: number;
  readonly peakRssMib: number;
  readonly restart: Restart;
}

interface Restart {
  readonly installed: number;
  /** From the start of the process until its API says so. */
  readonly seconds: number;
  readonly hashedBytes: number;
}

/** Small files with true headers, each with a content of its own; returns their paths. */
async function fill(directory: string, models: number): Promise<string[]> {
  const header = headerFile();
  const paths: string[] = [];
  for (let index = 0; index < models; index += 1) {
    const folder = `loras-${Math.floor(index / FILES_PER_FOLDER)}`;
    if (index % FILES_PER_FOLDER === 0) await mkdir(join(directory, folder), { recursive: true });
    const path = join(folder, `m${index}.safetensors`);
    await writeFile(join(directory, path), contentOf(header, String(index)));
    paths.push(path);
  }
  return paths;
}

/** The other nodes have the same files: as hard links, so that ten thousand of them on eight nodes fit into memory. */
async function linkAll(paths: readonly string[], directories: { from: string; to: string }): Promise<void> {
  const { from, to } = directories;
  for (const folder of new Set(paths.map((path) => dirname(path)))) await mkdir(join(to, folder), { recursive: true });
  for (const path of paths) await link(join(from, path), join(to, path));
}

async function acquainted(fleet: Fleet, daemons: readonly DaemonProcess[], models: number): Promise<void> {
  const late = { timeoutMs: 900_000, everyMs: 1_000 };
  for (const daemon of daemons)
    await eventually(
      `${daemon.name} has hashed its models`,
      async () => (await daemon.json<{ models: { installed: number } }>('/v1/node')).models.installed === models,
      late,
    );
  await fleet.acquainted(daemons);
  for (const daemon of daemons)
    await eventually(
      `${daemon.name} knows what the others have`,
      async () => (await daemon.peers()).filter((peer) => peer.models === models).length === daemons.length - 1,
      late,
    );
}

async function measureIdle(hosts: readonly Host[], daemons: readonly DaemonProcess[], seconds: number) {
  // What follows a change (deltas, answers to whoever missed one) has passed by then.
  await delay(Math.min(30, seconds) * 1000);
  const traffic = hosts.map((host) => host.traffic().sentBytes);
  const cpu = daemons.map(({ pid }) => cpuSecondsOf(pid));
  await delay(seconds * 1000);
  return hosts.map((host, index) => ({
    bytesPerSecond: (host.traffic().sentBytes - traffic[index]!) / seconds,
    cpuShare: (cpuSecondsOf(daemons[index]!.pid) - cpu[index]!) / seconds,
  }));
}

/** A model appears on one node; how long after that node calls it installed each of the others knows it. */
async function announce(daemons: readonly DaemonProcess[], index: number): Promise<number[]> {
  const owner = daemons[index % daemons.length]!;
  const name = `news-${index}.safetensors`;
  const others = daemons.filter((daemon) => daemon !== owner);
  const draft = join(owner.modelsDir, `${name}.tmp`);
  await writeFile(draft, contentOf(headerFile(), name));
  await rename(draft, join(owner.modelsDir, name));
  const knows = async (daemon: DaemonProcess): Promise<number> => {
    const path = `/v1/models/${name}`;
    await eventually(`${daemon.name} knows ${name}`, async () => (await daemon.request('GET', path)).status === 200, {
      everyMs: ASK_EVERY_MS,
      timeoutMs: 60_000,
    });
    return performance.now();
  };
  const [owned, ...known] = await Promise.all([knows(owner), ...others.map((daemon) => knows(daemon))]);
  return known.map((atMs) => Math.max(0, atMs - owned));
}

/** A daemon ends and starts over a directory of which it knows every file: nothing of it is to be hashed again. */
async function measureRestart(daemon: DaemonProcess): Promise<Restart> {
  const installedNow = async (): Promise<number> =>
    (await daemon.json<{ models: { installed: number } }>('/v1/node')).models.installed;
  const installed = await installedNow();
  await daemon.stop();
  const startMs = performance.now();
  await daemon.start();
  const isComplete = async (): Promise<boolean> => (await installedNow()) === installed;
  await eventually('all models are installed again', isComplete, { timeoutMs: 900_000, everyMs: ASK_EVERY_MS });
  const seconds = Math.round((performance.now() - startMs) / 10) / 100;
  return { installed, seconds, hashedBytes: await daemon.metric('shoal_hashed_bytes_total') };
}

function headerFile(): Uint8Array {
  return safetensorsHeader({ family: 'lora', sizeBytes: MODEL_BYTES });
}

function contentOf(header: Uint8Array, text: string): Uint8Array {
  const content = new Uint8Array(MODEL_BYTES);
  content.set(header);
  new TextEncoder().encodeInto(text, content.subarray(MODEL_BYTES - 64));
  return content;
}

function tableOf(result: Result): string {
  return formatTable([
    ['', 'value', 'goal'],
    ['sent by a node when idle, bytes/s', String(result.idleBytesPerSecond), `≤ ${GOAL_IDLE_BYTES_PER_SECOND}`],
    ['CPU of a node when idle, %', String(result.idleCpuPercent), '–'],
    ['until another node knows a new model, median ms', String(result.knownMs.median), '–'],
    ['until all know it, worst ms', String(result.knownMs.worst), `≤ ${GOAL_KNOWN_MS} at p99`],
    ['resident memory, MiB', String(result.rssMib), '≤ 256'],
    ['at its highest, MiB', String(result.peakRssMib), '≤ 256'],
    [
      `from a new start to ${result.restart.installed} models installed, s`,
      String(result.restart.seconds),
      `≤ ${GOAL_RESTART_SECONDS}`,
    ],
    ['bytes hashed for that', String(result.restart.hashedBytes), '0'],
  ]);
}

function missed(result: Result): string[] {
  const { idleBytesPerSecond, knownP99Ms, peakRssMib, restart } = result;
  return [
    ...(idleBytesPerSecond > GOAL_IDLE_BYTES_PER_SECOND
      ? [`an idle node sends ${idleBytesPerSecond} bytes/s, the goal is ${GOAL_IDLE_BYTES_PER_SECOND}`]
      : []),
    ...(knownP99Ms > GOAL_KNOWN_MS ? [`all know a model after ${knownP99Ms} ms, the goal is ${GOAL_KNOWN_MS}`] : []),
    ...(peakRssMib > 256 ? [`a node used ${peakRssMib} MiB, the goal is 256`] : []),
    ...(restart.seconds > GOAL_RESTART_SECONDS
      ? [`a start with known models takes ${restart.seconds} s, the goal is ${GOAL_RESTART_SECONDS} s`]
      : []),
    ...(restart.hashedBytes > 0
      ? [`a start with known models hashed ${restart.hashedBytes} bytes, the goal is 0`]
      : []),
  ];
}

function mib(bytes: number): number {
  return Math.round(bytes / 2 ** 20);
}
