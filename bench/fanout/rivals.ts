import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { endProcess, type OwnedProcess, spawnOwned } from '../../test/support/child-process.ts';
import { sha256OfFile } from '../../test/support/hash-file.ts';
import { PRIVATE_DIRECTORY } from '../isolation.ts';
import { cpuSecondsOf } from '../link/timed.ts';
import { MachineLoad } from '../network/machine-load.ts';
import { type Contestant, type Course, HEAD_START_SECONDS, type NodeRun, type Round } from './course.ts';
import type { Rival } from './options.ts';

const PYTHON = '/usr/bin/python3';
const SCRIPT = join(import.meta.dirname, 'libtorrent-node.py');
/** What does best on a file of this kind: as many pieces as Shoal has, a little more for small files. */
const TORRENT_PIECE_BYTES = 256 * 1024;

/** A BitTorrent swarm with one seed on the NAS. */
async function libtorrentSwarm(course: Course, mode: { name: Rival; superSeeding: boolean }): Promise<Round> {
  const { nas, nodes, file } = course;
  await using place = await freshPlace();
  const torrent = join(place.directory, 'file.torrent');
  const made = spawnSync(PYTHON, [
    SCRIPT,
    'torrent',
    join(nas.directory, file.name),
    String(TORRENT_PIECE_BYTES),
    torrent,
  ]);
  if (made.status !== 0) throw new Error(`libtorrent made no torrent: ${made.stderr.toString()}`);
  const start = Date.now() / 1000 + HEAD_START_SECONDS + nodes.length * 0.15;
  const sentBefore = nas.host.traffic().sentBytes;
  const all = [nas.host, ...nodes];
  const load = new MachineLoad();
  const peers = await Promise.all(
    all.map(async (host) => {
      const seed = host === nas.host;
      const directory = seed ? nas.directory : join(place.directory, host.name);
      await mkdir(directory, { recursive: true });
      const others = all.filter((other) => other !== host).map(({ address }) => address);
      const order = { address: host.address, peers: others, torrent, directory, seed, start, super: mode.superSeeding };
      const command = [...host.wrapper, PYTHON, SCRIPT, 'peer', JSON.stringify(order)];
      return { host, directory, owned: spawnOwned(command, { stdio: ['ignore', 'pipe', 'inherit'] }) };
    }),
  );
  try {
    const told = await Promise.all(peers.map(({ owned }) => firstLine(owned)));
    const results = told.map((line) => JSON.parse(line) as { seconds: number; wastedBytes: number });
    const machineBusy = load.busy();
    const nasSentBytes = nas.host.traffic().sentBytes - sentBefore;
    const cpuSeconds = peers.reduce((sum, { owned }) => sum + cpuSecondsOf(owned.pid), 0);
    for (const { directory, host } of peers)
      await check(course, join(directory, file.name), `libtorrent on ${host.name}`);
    return {
      contestant: mode.name,
      nodes: results.slice(1).map(({ seconds }, index) => plainRun(course, index, seconds)),
      nasSentBytes,
      wastedBytes: results.reduce((sum, { wastedBytes }) => sum + wastedBytes, 0),
      cpuSeconds,
      machineBusy,
      facts: {},
    };
  } finally {
    await Promise.all(peers.map(({ owned }) => endProcess(owned, 0)));
  }
}

/** What a script does: everybody copies from the NAS. */
async function curl(course: Course): Promise<Round> {
  const { nas, nodes, file } = course;
  await using place = await freshPlace();
  const sentBefore = nas.host.traffic().sentBytes;
  const load = new MachineLoad();
  const startMs = performance.now();
  const seconds = await Promise.all(
    nodes.map(async (host) => {
      const to = join(place.directory, host.name);
      const owned = spawnOwned([...host.wrapper, 'curl', '-sf', '-o', to, nas.url(file.name)], { stdio: 'ignore' });
      const { code } = await owned.exited;
      if (code !== 0) throw new Error(`curl on ${host.name} ended with ${String(code)}`);
      return (performance.now() - startMs) / 1000;
    }),
  );
  const machineBusy = load.busy();
  const nasSentBytes = nas.host.traffic().sentBytes - sentBefore;
  for (const { name } of nodes) await check(course, join(place.directory, name), `curl on ${name}`);
  return {
    contestant: 'curl',
    nodes: seconds.map((took, index) => plainRun(course, index, took)),
    nasSentBytes,
    cpuSeconds: Number.NaN,
    machineBusy,
    facts: {},
  };
}

export const rivals: Readonly<Record<Rival, Contestant>> = {
  libtorrent: (course) => libtorrentSwarm(course, { name: 'libtorrent', superSeeding: true }),
  'libtorrent-plain': (course) => libtorrentSwarm(course, { name: 'libtorrent-plain', superSeeding: false }),
  curl,
};

/** What the programs beside Shoal need, each with its remedy. */
export function missingForRivals(names: readonly Rival[]): string[] {
  const absent: string[] = [];
  if (names.includes('curl') && spawnSync('curl', ['--version']).status !== 0)
    absent.push('curl is missing: apt-get install curl');
  if (
    names.some((name) => name.startsWith('libtorrent')) &&
    spawnSync(PYTHON, ['-c', 'import libtorrent']).status !== 0
  )
    absent.push('libtorrent is missing: apt-get install python3-libtorrent');
  return absent;
}

function plainRun({ nodes }: Course, index: number, seconds: number): NodeRun {
  const { name = '', mbit = 0 } = nodes[index] ?? {};
  return { name, mbit, seconds, lateSeconds: 0, arrivals: [] };
}

async function check({ file }: Course, path: string, who: string): Promise<void> {
  if ((await sha256OfFile(path)) !== file.sha256) throw new Error(`${who} fetched something else`);
}

async function firstLine(owned: OwnedProcess): Promise<string> {
  for await (const line of createInterface({ input: owned.child.stdout as Readable })) return line;
  throw new Error('libtorrent ended before it was complete');
}

async function freshPlace(): Promise<AsyncDisposable & { readonly directory: string }> {
  const directory = await mkdtemp(join(PRIVATE_DIRECTORY, 'rival-'));
  return { directory, [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }) };
}
