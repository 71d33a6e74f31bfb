/** Chance as a parameter: a function that yields numbers in [0, 1). */
export type Random = () => number;

/**
 * mulberry32: a small generator with a 32-bit state, good enough for ties, jitter and simulations, never for secrets.
 * The same seed gives the same sequence everywhere.
 */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export const systemRandom: Random = Math.random;

/** `baseMs` plus or minus up to `share` of it, so that a fleet does not act in step. */
export function jittered(baseMs: number, share: number, random: Random): number {
  return baseMs * (1 + share * (2 * random() - 1));
}
