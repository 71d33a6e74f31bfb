import { formatTable, median } from '../benchmark.ts';
import { lateBound, lowerBound, ownBound } from './bound.ts';
import type { Course, FaultFacts, NodeRun, Round } from './course.ts';
import type { FanoutOptions } from './options.ts';

/** One contestant's round in the numbers that count. */
export interface Score {
  readonly contestant: string;
  /** Of the nodes that nothing was done to and that began with the others. */
  readonly slowestSeconds: number;
  readonly medianSeconds: number;
  readonly boundSeconds: number;
  readonly slowestToBound: number;
  readonly slowestToMedian: number;
  /** The worst of all nodes, each against a bound of its own. */
  readonly worstToOwnBound: number;
  readonly nasCopies: number;
  readonly wastedMib: number | undefined;
  readonly longestWaitSeconds: number | undefined;
  /** The longest time from the last piece to "installed". */
  readonly tailSeconds: number | undefined;
  readonly cpuSeconds: number;
  readonly machineBusy: number;
  readonly peakMib: number | undefined;
  /** Of a node that joined late: its own time over its own bound. */
  readonly lateToBound: number | undefined;
  readonly facts: FaultFacts;
}

export function scoreOf(course: Course, round: Round): Score {
  const { links, file } = course;
  const finished = round.nodes.flatMap((node, index) =>
    node.seconds === undefined ? [] : [{ ...node, seconds: node.seconds, index }],
  );
  const together = finished.filter(({ lateSeconds }) => lateSeconds < 1);
  const boundSeconds = lowerBound({ ...links, nodeMbits: together.map(({ mbit }) => mbit) });
  const seconds = together.map((node) => node.seconds);
  const slowestSeconds = Math.max(...seconds);
  const late = finished.find(({ lateSeconds }) => lateSeconds >= 1);
  return {
    contestant: round.contestant,
    slowestSeconds,
    medianSeconds: median(seconds),
    boundSeconds,
    slowestToBound: slowestSeconds / boundSeconds,
    slowestToMedian: slowestSeconds / median(seconds),
    worstToOwnBound: Math.max(...together.map((node) => node.seconds / ownBound(links, node.index))),
    nasCopies: round.nasSentBytes / file.sizeBytes,
    wastedMib: round.wastedBytes === undefined ? undefined : round.wastedBytes / 2 ** 20,
    longestWaitSeconds: most(finished.map((node) => node.longestWaitSeconds)),
    tailSeconds: most(finished.map((node) => node.tailSeconds)),
    cpuSeconds: round.cpuSeconds,
    machineBusy: round.machineBusy,
    peakMib: most(finished.map((node) => node.peakMib)),
    lateToBound: late === undefined ? undefined : late.seconds / lateBound(links, late.index, late.lateSeconds),
    facts: round.facts,
  };
}

/** Each number the median of the rounds, on its own. */
export function medianScore(scores: readonly Score[]): Score {
  const [first] = scores;
  if (first === undefined) throw new Error('no rounds');
  const of = (read: (score: Score) => number): number => median(scores.map(read));
  const ofSome = (read: (score: Score) => number | undefined): number | undefined =>
    maybeMedian(scores.map((score) => read(score)));
  return {
    contestant: first.contestant,
    slowestSeconds: of((score) => score.slowestSeconds),
    medianSeconds: of((score) => score.medianSeconds),
    boundSeconds: of((score) => score.boundSeconds),
    slowestToBound: of((score) => score.slowestToBound),
    slowestToMedian: of((score) => score.slowestToMedian),
    worstToOwnBound: of((score) => score.worstToOwnBound),
    nasCopies: of((score) => score.nasCopies),
    wastedMib: ofSome((score) => score.wastedMib),
    longestWaitSeconds: ofSome((score) => score.longestWaitSeconds),
    tailSeconds: ofSome((score) => score.tailSeconds),
    cpuSeconds: of((score) => score.cpuSeconds),
    machineBusy: of((score) => score.machineBusy),
    peakMib: ofSome((score) => score.peakMib),
    lateToBound: ofSome((score) => score.lateToBound),
    facts: {
      ...fact(
        'atSeconds',
        ofSome(({ facts }) => facts.atSeconds),
      ),
      ...fact(
        'copiesSent',
        ofSome(({ facts }) => facts.copiesSent),
      ),
      ...fact(
        'recoverySeconds',
        ofSome(({ facts }) => facts.recoverySeconds),
      ),
      ...fact(
        'othersWaitedSeconds',
        ofSome(({ facts }) => facts.othersWaitedSeconds),
      ),
      ...fact(
        'startupSeconds',
        ofSome(({ facts }) => facts.startupSeconds),
      ),
    },
  };
}

function fact(name: keyof FaultFacts, value: number | undefined): FaultFacts {
  return value === undefined ? {} : { [name]: rounded(value) };
}

export function scoreTable(scores: readonly Score[]): string {
  const isUneven = scores.some((score) => score.worstToOwnBound > score.slowestToBound * 1.001);
  const columns: readonly (readonly [string, (score: Score) => string])[] = [
    ['', ({ contestant }) => contestant],
    ['slowest s', (score) => score.slowestSeconds.toFixed(1)],
    ['median s', (score) => score.medianSeconds.toFixed(1)],
    ['bound s', (score) => score.boundSeconds.toFixed(1)],
    ['slowest ÷ bound', (score) => score.slowestToBound.toFixed(3)],
    ['slowest ÷ median', (score) => score.slowestToMedian.toFixed(3)],
    ...(isUneven ? [['worst ÷ own bound', (score: Score) => score.worstToOwnBound.toFixed(3)] as const] : []),
    ['NAS copies', (score) => score.nasCopies.toFixed(3)],
    ['wasted MiB', (score) => orDash(score.wastedMib, 1)],
    ['longest wait s', (score) => orDash(score.longestWaitSeconds, 2)],
    ['tail s', (score) => orDash(score.tailSeconds, 2)],
    ['CPU s', (score) => orDash(score.cpuSeconds, 1)],
    ['machine busy', (score) => `${Math.round(score.machineBusy * 100)} %`],
    ['peak MiB', (score) => orDash(score.peakMib, 0)],
  ];
  return formatTable([columns.map(([head]) => head), ...scores.map((score) => columns.map(([, cell]) => cell(score)))]);
}

/** What was done half way, and what came of it, as sentences. */
export function storyOf({ fault }: FanoutOptions, score: Score): string[] {
  const { facts } = score;
  const at = `at ${orDash(facts.atSeconds, 1)} s`;
  switch (fault.kind) {
    case 'none':
      return [];
    case 'kill':
      return [`${fault.nodes} of the nodes killed ${at}; the figures are those of the survivors`];
    case 'join':
      return [
        `a node joined ${at}, ${orDash(facts.startupSeconds, 1)} s after its process was started; it took ${orDash(score.lateToBound, 3)} × its own bound`,
      ];
    case 'nas-gone':
      return [`the NAS went away ${at}, when it had sent ${orDash(facts.copiesSent, 3)} copies; all have finished`];
    case 'cut':
      return [
        `a node's link was cut ${at} for ${fault.seconds} s; the next piece came ${orDash(facts.recoverySeconds, 1)} s after it was healed, the others waited ${orDash(facts.othersWaitedSeconds, 2)} s at most`,
      ];
  }
}

/** Below that the start of the transfers weighs more than their course. */
const JUDGED_FROM_MIB = 128;
const HEADERS = 0.05;

/** Goals that were not reached. */
export function missedGoals(options: FanoutOptions, score: Score): string[] {
  if (options.mib < JUDGED_FROM_MIB) return [];
  const missed: string[] = [];
  const expect = (what: string, value: number | undefined, goal: number): void => {
    if (value !== undefined && !(value <= goal))
      missed.push(`${what} is ${value.toFixed(3)}, the goal is ${goal} at most`);
  };
  const { published, fromNode, nodes, fault } = options;
  const plain = published && !fromNode && nodes === 8 && isEven(options) && fault.kind === 'none';
  switch (fault.kind) {
    case 'none':
      expect('slowest ÷ bound', score.slowestToBound, plain ? 1.15 : 1.3);
      if (plain) expect('slowest ÷ median', score.slowestToMedian, 1.05);
      if (plain) expect('copies sent by the NAS', score.nasCopies, 1.03 + HEADERS);
      break;
    case 'kill':
      expect('slowest survivor ÷ bound of the survivors', score.slowestToBound, 1.25);
      break;
    case 'join':
      expect('the late node ÷ its own bound', score.lateToBound, 1.2);
      break;
    case 'nas-gone':
      break; // that all finish is the goal: otherwise there is no score
    case 'cut':
      expect('the longest wait of the others', score.facts.othersWaitedSeconds, 3);
      expect('the wait of the node behind the link, after it was healed', score.facts.recoverySeconds, 3);
      break;
  }
  return missed;
}

function isEven({ nodeMbits, nasMbit }: FanoutOptions): boolean {
  return nodeMbits.every((rate) => rate === nasMbit);
}

export function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}

/** A score as it stands in the JSON line. */
export function plainScore(score: Score): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(score).map(([key, value]) => [key, typeof value === 'number' ? rounded(value) : (value as unknown)]),
  );
}

/** One line for one round. */
export function roundLine(round: number, score: Score, nodes: readonly NodeRun[]): string {
  const origin = nodes
    .map(({ originBytes }) => orDash(originBytes === undefined ? undefined : originBytes / 2 ** 20, 0))
    .join(' ');
  const tail = score.contestant === 'shoal' ? `  MiB from the NAS by node: ${origin}` : '';
  return `round ${round}: ${score.contestant.padEnd(10)} slowest ${score.slowestSeconds.toFixed(1)} s = ${score.slowestToBound.toFixed(3)} × bound, ${score.nasCopies.toFixed(3)} copies${tail}`;
}

function maybeMedian(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : median(known);
}

function most(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : Math.max(...known);
}

function orDash(value: number | undefined, digits: number): string {
  return value === undefined || Number.isNaN(value) ? '–' : value.toFixed(digits);
}
