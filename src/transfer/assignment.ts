/**
 * Rendezvous hashing: every node computes for itself, from the same list, which of the nodes that fetch a blob reads a
 * piece from the origin. When one leaves the list only its pieces move, each to the next in that piece's order.
 * Pure; every node must get the same numbers, so a change here is a change of the protocol.
 */

/** A piece that no blob has. */
const READER = -2;

/** The node that reads the piece from the origin; undefined when nobody fetches. */
export function assignedFetcher(sha256: string, piece: number, fetchers: Iterable<string>): string | undefined {
  return heaviest(fetchers, (fetcher) => weightOf(fetcherSeed(sha256, fetcher), piece));
}

/** All fetchers, the assigned one first; each takes over when those before it make no progress. */
export function takeOverOrder(sha256: string, piece: number, fetchers: Iterable<string>): string[] {
  return [...new Set(fetchers)]
    .map((fetcher) => ({ fetcher, weight: weightOf(fetcherSeed(sha256, fetcher), piece) }))
    .sort((a, b) => b.weight - a.weight || (a.fetcher < b.fetcher ? -1 : 1))
    .map(({ fetcher }) => fetcher);
}

/**
 * The nodes that read from origins at all. A few are enough to keep an origin busy, and with few each piece comes out of
 * it sooner and can be passed on; in a fleet of a thousand, each with a thousandth of the origin, the first piece would
 * come last.
 */
export function readersOf(sha256: string, fetchers: Iterable<string>, count: number): string[] {
  const distinct = [...new Set(fetchers)];
  if (distinct.length <= count) return distinct.sort();
  return distinct
    .map((fetcher) => ({ fetcher, weight: weightOf(fetcherSeed(sha256, fetcher), READER) }))
    .sort((a, b) => b.weight - a.weight || (a.fetcher < b.fetcher ? -1 : 1))
    .slice(0, count)
    .map(({ fetcher }) => fetcher);
}

function heaviest(fetchers: Iterable<string>, weigh: (fetcher: string) => number): string | undefined {
  let best: string | undefined;
  let bestWeight = -1;
  for (const fetcher of fetchers) {
    const weight = weigh(fetcher);
    if (best === undefined || weight > bestWeight || (weight === bestWeight && fetcher < best)) {
      best = fetcher;
      bestWeight = weight;
    }
  }
  return best;
}

/** FNV-1a over both names, 32 bits. */
export function fetcherSeed(sha256: string, fetcher: string): number {
  const text = `${sha256} ${fetcher}`;
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return hash >>> 0;
}

/** The finaliser of MurmurHash3 over seed and index: neighbouring pieces get unrelated weights. */
export function weightOf(seed: number, piece: number): number {
  let hash = seed ^ Math.imul(piece + 1, 0x9e3779b1);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
