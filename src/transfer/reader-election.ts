import { fetcherSeed, weightOf } from './assignment.ts';

export interface ReaderCandidate {
  readonly peerId: string;
  /** Hashes of its reading were heard lately. */
  readonly reads: boolean;
  /** It had its turn and made nothing of it. */
  readonly passed: boolean;
  readonly reachable: boolean;
}

/** A place in the order that no piece has. */
const WHOLE = -4;

/**
 * Who reads a draft from its origin: the first; the one after it takes over from it. Whoever reads goes on reading, so
 * that a late joiner changes nothing; of several that do (a fleet that was split) and of several that could, rendezvous
 * hashing decides, alike on every node that knows the same. Pure.
 */
export function readersInOrder(draft: string, candidates: Iterable<ReaderCandidate>): string[] {
  return [...candidates]
    .map((candidate) => ({
      peerId: candidate.peerId,
      rank: rankOf(candidate),
      weight: weightOf(fetcherSeed(draft, candidate.peerId), WHOLE),
    }))
    .sort((a, b) => a.rank - b.rank || b.weight - a.weight || (a.peerId < b.peerId ? -1 : 1))
    .map(({ peerId }) => peerId);
}

function rankOf({ reads, passed, reachable }: ReaderCandidate): number {
  if (passed) return 3;
  return reads ? 0 : reachable ? 1 : 2;
}
