import type { Random } from '../util/random.ts';

/**
 * Which piece to ask next, and whom. Pure: no clock, no I/O, chance as a parameter, so that the simulator runs the very
 * same choice. One call gives one request; the caller records it and calls again until there is nothing to ask.
 */

/** At most this many requests for one piece, in the endgame. */
const MAX_REQUESTS_PER_PIECE = 2;
/** A second request must promise to be that much quicker than waiting for the first, or it only wastes bandwidth. */
const ENDGAME_GAIN = 2;
const ENDGAME_GAIN_MS = 250;

/** A source that may be used now: not blamed, not stalled, connected. */
export interface PickSource {
  readonly key: string;
  readonly kind: 'peer' | 'origin';
  /** How many more requests it takes now; 0 when its window is full. */
  readonly room: number;
  /** How long a piece asked now would take; 0 when unknown. */
  readonly expectedMs: number;
  has(index: number): boolean;
}

export interface PickRequest {
  readonly sourceKey: string;
  /** How long until it is done at the pace so far; 0 while it is too early to tell. */
  readonly remainingMs: number;
}

/** A piece that an origin may be asked for. */
export interface OriginPiece {
  readonly index: number;
  /** Usable peers that hold it. */
  readonly copies: number;
  /** In the endgame, how long it keeps us waiting for whom it was asked of; otherwise undefined. */
  readonly lateMs?: number;
}

/**
 * Whether an origin may be asked for a piece, and how soon: the lowest number goes first; undefined is no. The place
 * where single-flight among nodes fits in.
 */
export type OriginPolicy = (piece: OriginPiece) => number | undefined;

/** What a peer can give is not read from an origin, unless the peers that were asked hold up the end. */
export const peersFirst: OriginPolicy = ({ copies, lateMs }) => (lateMs !== undefined || copies === 0 ? 0 : undefined);

export interface PickState {
  readonly pieceCount: number;
  readonly have: { has(index: number): boolean };
  readonly inFlight: ReadonlyMap<number, readonly PickRequest[]>;
  /** Usable peers that hold a piece. */
  copies(index: number): number;
  readonly originPolicy: OriginPolicy;
}

export interface Pick {
  readonly index: number;
  readonly sourceKey: string;
  readonly endgame: boolean;
}

export function pickNext(state: PickState, sources: readonly PickSource[], random: Random): Pick | undefined {
  const roomy = sources.filter((source) => source.room > 0);
  if (roomy.length === 0) return undefined;
  const rarest = rarestOpenPiece(state, { roomy, sources }, random);
  if (rarest.index !== undefined) {
    const { index } = rarest;
    const offers = roomy.filter((source) => rankAt(state, source, { index }) !== undefined);
    const peers = offers.filter((source) => source.kind === 'peer');
    const chosen = randomOf(peers.length > 0 ? peers : offers, random);
    if (chosen !== undefined) return { index, sourceKey: chosen.key, endgame: false };
  }
  return rarest.anyOpen ? undefined : pickEndgame(state, roomy, random);
}

interface Candidates {
  readonly roomy: readonly PickSource[];
  readonly sources: readonly PickSource[];
}

/** `anyOpen`: some piece is neither here nor asked for, and a usable source could give it, if not now. */
function rarestOpenPiece(
  state: PickState,
  { roomy, sources }: Candidates,
  random: Random,
): { index: number | undefined; anyOpen: boolean } {
  let best: number | undefined;
  let bestCopies = Infinity;
  let bestRank = Infinity;
  let ties = 0;
  let anyOpen = false;
  for (let index = 0; index < state.pieceCount; index += 1) {
    if (state.have.has(index) || state.inFlight.has(index)) continue;
    const copies = state.copies(index);
    if (copies > bestCopies) continue;
    const rank = lowestRank(state, roomy, index);
    if (rank === undefined) {
      anyOpen ||= lowestRank(state, sources, index) !== undefined;
      continue;
    }
    anyOpen = true;
    if (copies === bestCopies && rank > bestRank) continue;
    // Reservoir sampling: each of the tied pieces ends up chosen with the same chance.
    ties = copies < bestCopies || rank < bestRank ? 1 : ties + 1;
    if (ties === 1 || random() * ties < 1) best = index;
    bestCopies = copies;
    bestRank = rank;
  }
  return { index: best, anyOpen };
}

function lowestRank(state: PickState, sources: readonly PickSource[], index: number): number | undefined {
  let lowest: number | undefined;
  for (const source of sources) {
    const rank = rankAt(state, source, { index });
    if (rank === 0) return 0;
    if (rank !== undefined && (lowest === undefined || rank < lowest)) lowest = rank;
  }
  return lowest;
}

/** Every piece that could be asked for has been: ask a second source for the one that would keep us waiting longest. */
function pickEndgame(state: PickState, roomy: readonly PickSource[], random: Random): Pick | undefined {
  let longestMs = 0;
  let candidates: Pick[] = [];
  for (const [index, requests] of state.inFlight) {
    if (requests.length >= MAX_REQUESTS_PER_PIECE || state.have.has(index)) continue;
    const remainingMs = Math.min(...requests.map((request) => request.remainingMs));
    if (remainingMs < longestMs) continue;
    const quicker = roomy.filter(
      (source) =>
        remainingMs > ENDGAME_GAIN * source.expectedMs + ENDGAME_GAIN_MS &&
        requests.every((request) => request.sourceKey !== source.key) &&
        rankAt(state, source, { index, lateMs: remainingMs }) !== undefined,
    );
    const peers = quicker.filter((source) => source.kind === 'peer');
    const chosen = randomOf(peers.length > 0 ? peers : quicker, random);
    if (chosen === undefined) continue;
    if (remainingMs > longestMs) candidates = [];
    longestMs = remainingMs;
    candidates.push({ index, sourceKey: chosen.key, endgame: true });
  }
  return randomOf(candidates, random);
}

/** Undefined when the source cannot or must not give the piece. */
function rankAt(
  state: PickState,
  source: PickSource,
  { index, lateMs }: { readonly index: number; readonly lateMs?: number },
): number | undefined {
  if (!source.has(index)) return undefined;
  if (source.kind === 'peer') return 0;
  return state.originPolicy({ index, copies: state.copies(index), ...(lateMs === undefined ? {} : { lateMs }) });
}

function randomOf<T>(items: readonly T[], random: Random): T | undefined {
  return items[Math.floor(random() * items.length)];
}
