/** What no protocol can beat, by bandwidth alone; headers are not counted, so about 1.05 is the least that can be measured. */
export interface Links {
  readonly bytes: number;
  readonly nasMbit: number;
  readonly nodeMbits: readonly number[];
}

/** Seconds until the last of N nodes has the whole file: max(F/us, F/d, N·F/(us+Σui)). */
export function lowerBound({ bytes, nasMbit, nodeMbits }: Links): number {
  const mbit = megabits(bytes);
  const everyUplink = nodeMbits.reduce((sum, rate) => sum + rate, nasMbit);
  return Math.max(mbit / nasMbit, mbit / Math.min(...nodeMbits), (nodeMbits.length * mbit) / everyUplink);
}

/** The same for one of them, which need not wait for slower ones. */
export function ownBound({ bytes, nasMbit, nodeMbits }: Links, node: number): number {
  const rate = nodeMbits[node] ?? Number.NaN;
  const nobodySlower = nodeMbits.filter((other) => other >= rate);
  return lowerBound({ bytes, nasMbit, nodeMbits: nobodySlower });
}

/** For a node that begins `lateSeconds` after the others: its own downlink, and what the NAS still has to send by then. */
export function lateBound({ bytes, nasMbit, nodeMbits }: Links, node: number, lateSeconds: number): number {
  const mbit = megabits(bytes);
  return Math.max(mbit / (nodeMbits[node] ?? Number.NaN), mbit / nasMbit - lateSeconds);
}

function megabits(bytes: number): number {
  return (bytes * 8) / 1e6;
}
