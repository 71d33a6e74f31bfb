import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sha256OfFile } from '../test/support/hash-file.ts';
import { makeSafetensors } from '../test/support/make-safetensors.ts';
import { TestBed } from '../test/support/test-bed.ts';
import { type Benchmark, formatTable, median, numberOption, textOption } from './benchmark.ts';
import {
  aria2,
  type Contestant,
  curlFamily,
  has,
  libtorrent,
  rsync,
  SHOAL_LINKS,
  shoalPeer,
} from './link/contestants.ts';
import { LIBP2P_LINKS, libp2pLink } from './link/libp2p-link.ts';
import type { Timing } from './link/timed.ts';
import { touchMemory } from './link/touch-memory.ts';

const FILE_NAME = 'bench.safetensors';
/** A daemon runs for weeks, and its code is compiled for speed as it is used; what nginx and curl are made of is compiled. */
const WARM_UP_FETCHES = 2;
const NAMES = [
  ...SHOAL_LINKS.map(({ name }) => name),
  ...LIBP2P_LINKS.map(({ name }) => name),
  ...['curl', 'curl-tls', 'curl-tls-sha256', 'rsync', 'aria2', 'libtorrent'],
];

/**
 * One node fetches one file from another over loopback, to a file that does not exist yet; beside it what others use,
 * in turn within each round, so that a machine that slows down slows all of them. Daemons have fetched before the clock
 * starts, but with `--cold`.
 */
export const benchmark: Benchmark = {
  summary: `one file from one node to another, beside curl, rsync and others  [--mib 1024] [--runs 3] [--cold] [--dir DIR] [--only ${NAMES.join()}]`,

  missing: (args) => [
    ...onlyOf(args)
      .filter((name) => !NAMES.includes(name))
      .map((name) => `--only knows no ${name}, but ${NAMES.join(', ')}`),
    ...(has.nginx() && has.command('curl') && has.command('openssl')
      ? []
      : ['nginx, curl or openssl is missing: apt-get install nginx-light curl openssl']),
    ...(has.command('rsync') ? [] : ['rsync is missing: apt-get install rsync']),
  ],

  async run(args) {
    const mib = numberOption(args, '--mib', 1024);
    const runs = numberOption(args, '--runs', 3);
    // In memory, so that links and programs are measured and not this machine's disk.
    const under = textOption(args, '--dir', existsSync('/dev/shm') ? '/dev/shm' : tmpdir());
    const only = onlyOf(args);
    await using bed = await TestBed.open({ under });
    const sourceDirectory = await bed.makeDirectory('source');
    const made = await makeSafetensors(join(sourceDirectory, FILE_NAME), {
      seed: 'link',
      sizeBytes: mib * 2 ** 20,
      family: 'sdxl',
    });
    const course = { bed, sourceDirectory, fileName: FILE_NAME };
    const wanted = (...names: string[]): boolean => only.length === 0 || names.some((name) => only.includes(name));
    const all = [
      ...(await shoals(course, wanted)),
      ...(await libp2ps(course, wanted)),
      ...(wanted('curl', 'curl-tls', 'curl-tls-sha256') ? await curlFamily(course) : []),
      ...(wanted('rsync') ? [await rsync(course)] : []),
      ...(wanted('aria2') ? (has.command('aria2c') ? [await aria2(course)] : skipped('aria2', 'aria2')) : []),
      ...(wanted('libtorrent')
        ? has.libtorrent()
          ? [libtorrent(course)]
          : skipped('libtorrent', 'python3-libtorrent')
        : []),
    ];
    const contestants = all.filter(({ name }) => wanted(name));
    for (const { name, fetch } of args.includes('--cold') ? [] : contestants) {
      if (!name.startsWith('shoal')) continue;
      for (let count = 1; count <= WARM_UP_FETCHES; count += 1) {
        touchMemory(under, mib);
        await fetch();
      }
    }
    const timings = new Map<string, Timing[]>(contestants.map(({ name }) => [name, []]));
    for (let round = 1; round <= runs; round += 1) {
      for (const { name, fetch } of contestants) {
        touchMemory(under, mib);
        const { file, ...timing } = await fetch();
        if (file !== undefined) {
          if ((await sha256OfFile(file)) !== made.sha256) throw new Error(`${name} fetched something else`);
          if (!name.startsWith('shoal')) await rm(file);
        }
        timings.get(name)?.push(timing);
        console.error(`round ${round}: ${name.padEnd(16)} ${(mib / timing.seconds).toFixed(0)} MiB/s`);
      }
    }
    return conclude(mib, contestants, timings);
  },
};

/** One pair of daemons for each way that is asked for. */
async function shoals(
  course: Parameters<typeof shoalPeer>[0],
  wanted: (name: string) => boolean,
): Promise<Contestant[]> {
  const made: Contestant[] = [];
  for (const link of SHOAL_LINKS) if (wanted(link.name)) made.push(await shoalPeer(course, link));
  return made;
}

async function libp2ps(
  course: Parameters<typeof libp2pLink>[0],
  wanted: (name: string) => boolean,
): Promise<Contestant[]> {
  const made: Contestant[] = [];
  for (const link of LIBP2P_LINKS) if (wanted(link.name)) made.push(await libp2pLink(course, link));
  return made;
}

function onlyOf(args: readonly string[]): string[] {
  return textOption(args, '--only', '').split(',').filter(Boolean);
}

function skipped(name: string, debianPackage: string): Contestant[] {
  console.error(`without ${name}: apt-get install ${debianPackage} to have it beside`);
  return [];
}

function conclude(mib: number, contestants: readonly Contestant[], timings: ReadonlyMap<string, readonly Timing[]>) {
  const results = contestants.map(({ name, does }) => {
    const runs = timings.get(name) ?? [];
    return {
      name,
      does,
      mibPerSecond: mib / median(runs.map((timing) => timing.seconds)),
      cpuSecondsPerGib: (median(runs.map((timing) => timing.cpuSeconds)) * 1024) / mib,
      senderCpuSecondsPerGib: (median(runs.map((timing) => timing.senderCpuSeconds ?? Number.NaN)) * 1024) / mib,
    };
  });
  // libp2p writes nothing, so it is no rival of those who do; it is what a stream of it can carry at best.
  const others = results.filter(({ name }) => !name.startsWith('shoal') && !name.startsWith('libp2p'));
  const best = others.length === 0 ? Number.NaN : Math.max(...others.map((result) => result.mibPerSecond));
  const speedOf = (wanted: string): number => results.find(({ name }) => name === wanted)?.mibPerSecond ?? Number.NaN;
  const rows = results.map((result) => [
    result.name,
    result.mibPerSecond.toFixed(0),
    Number.isNaN(best) ? '–' : (result.mibPerSecond / best).toFixed(2),
    result.cpuSecondsPerGib.toFixed(2),
    Number.isNaN(result.senderCpuSecondsPerGib) ? '' : result.senderCpuSecondsPerGib.toFixed(2),
    result.does,
  ]);
  console.log(formatTable([['', 'MiB/s', '÷ best', 'CPU s/GiB receiving', 'sending', ''], ...rows]));
  return {
    mib,
    ...ratio('ratioToBest', speedOf('shoal') / best),
    ...ratio('ratioToTlsSha256', speedOf('shoal') / speedOf('curl-tls-sha256')),
    ...ratio('ratioToLibtorrent', speedOf('shoal') / speedOf('libtorrent')),
    ...ratio('streamToLibp2p', speedOf('shoal-libp2p') / speedOf('libp2p')),
    results: Object.fromEntries(
      results.map(({ name, mibPerSecond, cpuSecondsPerGib, senderCpuSecondsPerGib }) => [
        name,
        {
          mibPerSecond: Math.round(mibPerSecond),
          cpuSecondsPerGib: Number(cpuSecondsPerGib.toFixed(2)),
          ...(Number.isNaN(senderCpuSecondsPerGib)
            ? {}
            : { senderCpuSecondsPerGib: Number(senderCpuSecondsPerGib.toFixed(2)) }),
        },
      ]),
    ),
  };
}

/** Nothing where one of the two did not run. */
function ratio(name: string, value: number): Record<string, number> {
  return Number.isNaN(value) ? {} : { [name]: Number(value.toFixed(3)) };
}
