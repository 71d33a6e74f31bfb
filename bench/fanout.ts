import { mkdirSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { geometryOf } from '../src/content/piece-geometry.ts';
import { sha256OfFile } from '../test/support/hash-file.ts';
import { makeSafetensors } from '../test/support/make-safetensors.ts';
import { runShoal } from '../test/support/run-shoal.ts';
import type { Benchmark } from './benchmark.ts';
import { lowerBound } from './fanout/bound.ts';
import { type Contestant, type Course, type Round, WARM_UP_NAME } from './fanout/course.ts';
import { missingForMounts, Nas } from './fanout/nas.ts';
import { type FanoutOptions, fanoutOptions, type Rival, USAGE } from './fanout/options.ts';
import { drawSpread } from './fanout/picture.ts';
import {
  medianScore,
  missedGoals,
  plainScore,
  roundLine,
  type Score,
  scoreOf,
  scoreTable,
  storyOf,
} from './fanout/report.ts';
import { missingForRivals, rivals } from './fanout/rivals.ts';
import { shoal } from './fanout/shoal.ts';
import { missingCommands, PRIVATE_DIRECTORY } from './isolation.ts';
import { Network } from './network/network.ts';

const FILE_NAME = 'fanout.safetensors';
const WARM_UP_MIB = 16;

/**
 * N nodes that have nothing want the same file at the same moment; only the NAS has it. Every link is shaped. In each
 * round the contestants run one after the other on the same network.
 */
export const benchmark: Benchmark = {
  summary: `one file from a NAS to N nodes over shaped links\n             ${USAGE}`,
  isolated: true,

  missing(args) {
    const { against, published } = fanoutOptions(args);
    return [
      ...missingCommands({ tc: 'iproute2', ethtool: 'ethtool', nginx: 'nginx-light' }),
      ...(published ? [] : [...missingCommands({ sshfs: 'sshfs', socat: 'socat' }), ...missingForMounts()]),
      ...missingForRivals(against),
    ];
  },

  async run(args) {
    const options = fanoutOptions(args);
    checkRoom(options);
    await using network = Network.create();
    await using nas = await startNas(options, network);
    const course = await lay(options, { network, nas });
    const names: ('shoal' | Rival)[] = ['shoal', ...(options.fault.kind === 'none' ? options.against : [])];
    if (names.length <= options.against.length) console.error('faults are for Shoal alone: nothing runs beside it');
    const rounds: Round[] = [];
    for (let round = 1; round <= options.rounds; round += 1) {
      for (const name of names) {
        const run = await contestant(name)(course, round);
        console.error(roundLine(round, scoreOf(course, run), run.nodes));
        rounds.push(run);
      }
    }
    const scores = names.map((name) => medianScore(scoresOf(course, rounds, name)));
    if (options.picture !== undefined) writeFileSync(options.picture, drawSpread(course, middleRound(course, rounds)));
    return conclude(course, { scores, rounds });
  },
};

function contestant(name: 'shoal' | Rival): Contestant {
  return name === 'shoal' ? shoal : rivals[name];
}

async function startNas(options: FanoutOptions, network: Network): Promise<Nas> {
  const host = await network.host({ name: 'nas', mbit: options.nasMbit });
  const directory = join(PRIVATE_DIRECTORY, 'nas/models');
  await makeSafetensors(join(directory, FILE_NAME), {
    seed: options.seed,
    sizeBytes: options.mib * 2 ** 20,
    family: 'sdxl',
  });
  if (!options.cold) {
    const sizeBytes = WARM_UP_MIB * 2 ** 20;
    await makeSafetensors(join(directory, WARM_UP_NAME), { seed: 'warm-up', sizeBytes, family: 'sdxl' });
  }
  if (options.published) {
    const published = await runShoal(['publish', directory], { timeoutMs: 600_000 });
    if (published.code !== 0) throw new Error(`shoal publish failed: ${published.stderr}`);
  }
  return await Nas.start(host, {
    directory,
    home: join(PRIVATE_DIRECTORY, 'nas/home'),
    withMounts: !options.published,
  });
}

async function lay(options: FanoutOptions, parts: { network: Network; nas: Nas }): Promise<Course> {
  const { network, nas } = parts;
  for (const [index, mbit] of options.nodeMbits.entries()) await network.host({ name: `node${index + 1}`, mbit });
  if (options.logs !== undefined) mkdirSync(options.logs, { recursive: true });
  const sizeBytes = options.mib * 2 ** 20;
  const links = { bytes: sizeBytes, nasMbit: options.nasMbit, nodeMbits: options.nodeMbits };
  return {
    options,
    network,
    nas,
    nodes: network.hosts.slice(1),
    file: { name: FILE_NAME, sizeBytes, sha256: await sha256OfFile(join(nas.directory, FILE_NAME)) },
    pieceCount: geometryOf(sizeBytes).pieceCount,
    links,
    timeoutMs: 1000 * (120 + options.nodes * 2 * lowerBound(links)),
  };
}

function conclude(course: Course, found: { scores: readonly Score[]; rounds: readonly Round[] }) {
  const { options } = course;
  const [ours] = found.scores;
  console.log(scoreTable(found.scores));
  const story = ours === undefined ? [] : storyOf(options, ours);
  for (const sentence of story) console.log(sentence);
  const { nodes, mib, nodeMbits, nasMbit, published, fromNode, cold, fault, seed } = options;
  return {
    ...{ nodes, mib, nodeMbits, nasMbit, published, fromNode, cold, fault, seed },
    results: found.scores.map(plainScore),
    rounds: found.rounds.map((round) => plainScore(scoreOf(course, round))),
    missed: ours === undefined ? [] : missedGoals(options, ours),
  };
}

function scoresOf(course: Course, rounds: readonly Round[], name: string): Score[] {
  return rounds.filter((round) => round.contestant === name).map((round) => scoreOf(course, round));
}

/** The one whose slowest node is in the middle. */
function middleRound(course: Course, rounds: readonly Round[]): Round {
  const ours = rounds
    .filter((round) => round.contestant === 'shoal')
    .sort((a, b) => scoreOf(course, a).slowestSeconds - scoreOf(course, b).slowestSeconds);
  return ours[ours.length >> 1]!;
}

/** The NAS's file and every node's copy lie in memory. */
function checkRoom({ nodes, mib }: FanoutOptions): void {
  const { bavail, bsize } = statfsSync(PRIVATE_DIRECTORY);
  const neededMib = (nodes + 1) * (mib + WARM_UP_MIB) + 256;
  if (bavail * bsize < neededMib * 2 ** 20)
    throw new Error(`${neededMib} MiB of memory are needed for the files: take a smaller --mib or fewer --nodes`);
}
