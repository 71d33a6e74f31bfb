import type { Network } from '../network/network.ts';
import type { Links } from './bound.ts';
import type { Nas } from './nas.ts';
import type { FanoutOptions } from './options.ts';
import type { Arrival } from './piece-watch.ts';

/** Every contestant's processes are up for so long before its clock starts, so that nothing is measured of their start. */
export const HEAD_START_SECONDS = 3;

/** A small file beside the one that counts. */
export const WARM_UP_NAME = 'warm-up.safetensors';

/** What every contestant runs on. */
export interface Course {
  readonly options: FanoutOptions;
  readonly network: Network;
  readonly nas: Nas;
  readonly nodes: Network['hosts'];
  readonly file: { readonly name: string; readonly sizeBytes: number; readonly sha256: string };
  readonly pieceCount: number;
  readonly links: Links;
  /** Everything longer than this is called a hang. */
  readonly timeoutMs: number;
}

export interface Round {
  readonly contestant: string;
  readonly nodes: readonly NodeRun[];
  readonly nasSentBytes: number;
  /** Received and thrown away, in all nodes; absent where the program does not tell. */
  readonly wastedBytes?: number;
  /** Of all nodes together. */
  readonly cpuSeconds: number;
  /** 0 to 1, of all cores, whoever used them: above 0.9 the machine was the limit and not the links. */
  readonly machineBusy: number;
  readonly facts: FaultFacts;
}

export interface NodeRun {
  readonly name: string;
  readonly mbit: number;
  /** From its start on; undefined when it was killed on the way. */
  readonly seconds: number | undefined;
  /** After the others. */
  readonly lateSeconds: number;
  readonly longestWaitSeconds?: number;
  /** From the last piece to "installed": sha256, fsync, link, catalog. */
  readonly tailSeconds?: number;
  readonly peakMib?: number;
  readonly originBytes?: number;
  readonly arrivals: readonly Arrival[];
}

/** What was done to the fleet in this round, and what came of it. */
export interface FaultFacts {
  readonly atSeconds?: number;
  /** How many copies the NAS had sent when it went away. */
  readonly copiesSent?: number;
  /** From the moment the link was healed to the next piece of the node behind it. */
  readonly recoverySeconds?: number;
  /** The longest wait of the nodes that nothing was done to. */
  readonly othersWaitedSeconds?: number;
  /** From the start of the process to the want, of a node that joins late. */
  readonly startupSeconds?: number;
}

export type Contestant = (course: Course, round: number) => Promise<Round>;
