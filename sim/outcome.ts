import { messageOf } from '../src/util/errors.ts';
import type { NodeTraits, Scenario } from './scenario.ts';
import type { World } from './world.ts';

export interface Outcome {
  readonly seed: number;
  readonly ended: boolean;
  /** Of the slowest that finished, from the start of the first. */
  readonly seconds: number;
  readonly boundSeconds: number;
  /** Time ÷ bound. */
  readonly ratio: number;
  /** Bytes that left the origin ÷ bytes of the blob. */
  readonly copies: number;
  /** Received over all nodes beyond what they needed, as a share of it. */
  readonly wastedShare: number;
  /** Jain's index of the bytes that nodes sent: 1 when all sent the same. */
  readonly fairness: number;
  /** Slowest ÷ median. */
  readonly spread: number;
  readonly finished: number;
  readonly events: number;
  /** What must never be: pieces that nobody verified, nodes that failed. */
  readonly wrong: readonly string[];
}

/**
 * max(F/us, F/d, N·F/(us+Σui)) of those that stay from the beginning to the end: nobody can be quicker. A node that joins
 * late has a bound of its own, from when it joins.
 */
export function boundSeconds(scenario: Scenario): number {
  const { blobBytes: size } = scenario;
  const given = scenario.nodes.filter(({ whole }) => whole === true);
  const staying = scenario.nodes.filter(({ dieMs, whole }) => dieMs === undefined && whole !== true);
  const origin = given.length === 0 ? scenario.originBytesPerSecond : rateOf(given);
  const up = rateOf(staying);
  const together = Math.max(size / origin, (staying.length * size) / (origin + up));
  const own = staying.map((node) => node.startMs / 1000 + size / (node.downBytesPerSecond ?? node.bytesPerSecond));
  return Math.max(together, ...own);
}

function rateOf(nodes: readonly NodeTraits[]): number {
  return nodes.reduce((sum, node) => sum + node.bytesPerSecond, 0);
}

export function outcomeOf(world: World, ended: boolean): Outcome {
  const { scenario, nodes, origin } = world;
  const done = nodes.flatMap((node) => (node.doneMs === undefined ? [] : [node.doneMs]));
  const sorted = done.sort((a, b) => a - b);
  const seconds = (sorted.at(-1) ?? Infinity) / 1000;
  const bound = boundSeconds(scenario);
  const received = nodes.reduce((sum, node) => sum + node.host.receivedBytes, 0);
  const fetching = nodes.filter(({ traits }) => traits.whole !== true);
  const needed = fetching.reduce((sum, node) => sum + node.have.count * world.blob.manifest.pieceSizeBytes, 0);
  const sent = nodes.filter(({ dead }) => !dead).map(({ host }) => host.sentBytes);
  const wrong = nodes.flatMap((node) => {
    const unverified = [...node.have.indices()].filter((index) => !node.verified.has(index));
    const faults = unverified.map((index) => `${node.name} holds piece ${index}, which nobody verified`);
    if (node.failure !== undefined) faults.push(`${node.name} failed: ${messageOf(node.failure)}`);
    return faults;
  });
  return {
    seed: scenario.seed,
    ended,
    seconds,
    boundSeconds: bound,
    ratio: seconds / bound,
    copies: origin.host.sentBytes / scenario.blobBytes,
    wastedShare: needed === 0 ? 0 : (received - needed) / needed,
    fairness: jain(sent),
    spread: seconds / ((sorted[Math.floor(sorted.length / 2)] ?? NaN) / 1000),
    finished: done.length,
    events: world.time.count,
    wrong,
  };
}

function jain(values: readonly number[]): number {
  const sum = values.reduce((a, b) => a + b, 0);
  const squares = values.reduce((a, b) => a + b * b, 0);
  return squares === 0 ? 1 : (sum * sum) / (values.length * squares);
}
