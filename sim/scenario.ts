/** What a simulation is about. All figures are those of the network; rates in bytes per second. */
export interface Scenario {
  readonly seed: number;
  readonly blobBytes: number;
  readonly nodes: readonly NodeTraits[];
  readonly originBytesPerSecond: number;
  /** It is gone as soon as it has given each piece once. */
  readonly originGoneWhenRead?: boolean;
  readonly latencyMs: number;
  /** Chance per quantum to come late. */
  readonly loss: number;
  readonly quantumBytes: number;
  /** How long a node collects its new pieces before it tells of them; as the daemon does unless given. */
  readonly haveBatchMs?: number;
  /** Until a record of a node that begins has reached the others. */
  readonly recordMs: number;
  readonly slots: number;
  /** Cables between two nodes that are cut for a while. */
  readonly cuts?: readonly {
    readonly between: readonly [number, number];
    readonly fromMs: number;
    readonly untilMs: number;
  }[];
  readonly limitMs: number;
}

export interface NodeTraits {
  readonly bytesPerSecond: number;
  readonly downBytesPerSecond?: number;
  readonly startMs: number;
  /** Its process dies: connections are reset. */
  readonly dieMs?: number;
  /** Its machine stops: nobody is told. */
  readonly freezeMs?: number;
  readonly thawMs?: number;
  /** Chances for each piece that is asked of it. */
  readonly corrupt?: number;
  readonly stalls?: number;
  readonly busy?: number;
  /** It cannot read the origin. */
  readonly withoutOrigin?: boolean;
  /** It has everything from the beginning. */
  readonly whole?: boolean;
}

export const MIB = 2 ** 20;

export function mbit(rate: number): number {
  return (rate * 1e6) / 8;
}

export interface PlainOptions {
  readonly nodes: number;
  readonly mib: number;
  readonly mbit: number;
  readonly originMbit?: number;
  readonly seed?: number;
  readonly latencyMs?: number;
}

/** Equal nodes that begin at about the same time. */
export function plainScenario(options: PlainOptions): Scenario {
  const { nodes, mib, seed = 1, latencyMs = 1 } = options;
  const rate = mbit(options.mbit);
  return {
    seed,
    blobBytes: mib * MIB,
    nodes: Array.from({ length: nodes }, (_, index) => ({ bytesPerSecond: rate, startMs: (index * 37) % 100 })),
    originBytesPerSecond: mbit(options.originMbit ?? options.mbit),
    latencyMs,
    loss: 0,
    quantumBytes: nodes > 64 ? 64 * 1024 : 16 * 1024,
    recordMs: 150,
    slots: 4,
    limitMs: 3_600_000,
  };
}
