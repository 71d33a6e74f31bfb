import { fetcherSeed, readersOf, weightOf } from './assignment.ts';
import { ORIGIN_READERS } from './origin-share.ts';

/** Peers that a download uses; more cost memory and messages, and bring a piece hardly sooner. */
export const MAX_NEIGHBOURS = 40;
const NEIGHBOUR = -3;

export interface Candidate {
  readonly id: string;
  /** It is fetching the blob itself. */
  readonly fetching: boolean;
}

/**
 * Which of many providers a download uses. Every node draws others, so that pieces spread over the whole fleet in a few
 * steps; the same list gives the same draw, and who joins or leaves changes little. Those that read from origins use each
 * other, or they could not tell what is read already, and all seeds where there are few: it is they who share them out.
 */
export function neighboursOf(
  options: { readonly sha256: string; readonly self: string; readonly max?: number; readonly readers?: number },
  candidates: readonly Candidate[],
): string[] {
  const { sha256, self, max = MAX_NEIGHBOURS, readers: readerCount = ORIGIN_READERS } = options;
  if (candidates.length <= max) return candidates.map(({ id }) => id);
  const fetchers = candidates.filter(({ fetching }) => fetching).map(({ id }) => id);
  const readers = new Set(readersOf(sha256, [self, ...fetchers], readerCount));
  const isReader = readers.has(self);
  const hasFewSeeds = candidates.length - fetchers.length <= readerCount;
  const seed = fetcherSeed(sha256, self);
  return candidates
    .filter(({ id }) => id !== self)
    .map(({ id, fetching }) => {
      // Two seeds in one weight: what one node draws says nothing of what another does.
      const weight = weightOf(seed ^ fetcherSeed(sha256, id), NEIGHBOUR);
      const isNeeded = isReader && (fetching ? readers.has(id) : hasFewSeeds);
      return { id, weight: isNeeded ? Infinity : weight };
    })
    .sort((a, b) => b.weight - a.weight || (a.id < b.id ? -1 : 1))
    .slice(0, max)
    .map(({ id }) => id);
}
