import type { Random } from '../util/random.ts';
import type { PieceSet } from './piece-set.ts';
import { type Holding, isHeld } from './rarity.ts';

/**
 * Which piece to ask next, and whom. Pure: no clock, no I/O, chance as a parameter, so that the simulator runs the very
 * same choice. One call gives one request; the caller records it and calls again until there is nothing to ask.
 */

/** At most this many requests for one piece, in the endgame. */
const MAX_REQUESTS_PER_PIECE = 2;
/** A second request must promise to be that much quicker than waiting for the first, or it only wastes bandwidth. */
const ENDGAME_GAIN = 2;
const ENDGAME_GAIN_MS = 250;
/** A piece waits at a busy source: it is moved to an idle one that would have given it twice over meanwhile. */
const MOVE_GAIN = 2;
const MOVE_AFTER_MS = 20;

/**
 * So many of the pieces asked of peers are the first that is missing instead of the rarest: without them a few old pieces are
 * left to the end, and what lies behind the first gap cannot be hashed.
 */
const FIRST_SHARE = 1 / 4;

/** A source that may be used now: not blamed, not stalled, connected. */
export interface PickSource {
  readonly key: string;
  readonly kind: 'peer' | 'origin';
  /**
   * A peer that has what nobody who fetches has yet, and one of few: its uplink is shared out among those who fetch, each
   * piece to one of them, or it would give the same again and again while the others have nothing to give each other.
   */
  readonly isSeed: boolean;
  /** How many more requests it takes now; 0 when its window is full. */
  readonly room: number;
  /** Nothing is asked of it now. */
  readonly idle: boolean;
  /** How long a piece asked now would take; 0 when unknown. */
  readonly expectedMs: number;
  readonly holding: Holding;
}

export interface PickRequest {
  readonly sourceKey: string;
  /** How long until it is done at the pace so far; 0 while it is too early to tell. */
  readonly remainingMs: number;
  /** How long ago it was asked for. */
  readonly ageMs: number;
  /** No byte of it has come, and it was not moved before: or it would go round for ever among peers that are all slow. */
  readonly movable: boolean;
}

/** A piece that an origin may be asked for. */
export interface OriginPiece {
  readonly index: number;
  /** Usable peers that hold it; where a seed may be asked for it, without seeds. */
  readonly copies: number;
  /** It is a seed that may be asked. */
  readonly ofSeed?: boolean;
  /** In the endgame, how long it has kept us waiting and will still: the shorter of both. */
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
  /** Pieces that are neither here nor asked for. */
  readonly open: PieceSet;
  readonly inFlight: ReadonlyMap<number, readonly PickRequest[]>;
  /** Usable peers that hold a piece. */
  copies(index: number): number;
  readonly originPolicy: OriginPolicy;
  /** The same for seeds; absent where there are none. */
  readonly seedPolicy?: OriginPolicy;
  /** Whether the policy may name an open piece at all now; if not, origins give only what is late. */
  readonly readsOrigins: boolean;
  /**
   * Nobody else is waiting for pieces, so that of equals the first is as good as any: a disk reads it in one go, and what is
   * here without a gap can be hashed. (`open` is in order.)
   */
  readonly inOrder: boolean;
}

export interface Pick {
  readonly index: number;
  readonly sourceKey: string;
  readonly endgame: boolean;
  /** Another source need no longer give it. */
  readonly insteadOf?: string;
}

export function pickNext(state: PickState, sources: readonly PickSource[], random: Random): Pick | undefined {
  const roomy = sources.filter((source) => source.room > 0);
  // The uplink of an origin is the scarce thing, and must never wait; where there is none, that of a seed.
  return (
    (state.readsOrigins ? pickOpen(state, ofKind('origin', roomy), random) : undefined) ??
    pickOpen(state, seedsOf(roomy), random) ??
    pickOpen(state, ofKind('peer', roomy), random) ??
    pickMove(state, sources, random) ??
    (roomy.length === 0 || anyOpen(state, sources) ? undefined : pickEndgame(state, roomy, random))
  );
}

/**
 * The source first, then the rarest piece that it offers: who asked for the rarest of all wherever it is would stand in
 * line, with everybody else, at the one node that has it, while others idle.
 */
function pickOpen(state: PickState, roomy: readonly PickSource[], random: Random): Pick | undefined {
  const left = roomy.filter(({ holding }) => offersAny(state.open, holding));
  while (left.length > 0) {
    const source = takeQuicker(left, random);
    const index = rarestAt(state, source, random);
    if (index !== undefined) return { index, sourceKey: source.key, endgame: false };
  }
  return undefined;
}

/** Of two drawn at random: nearly as good as the quickest of all, and never everybody the same. Takes it out. */
function takeQuicker(sources: PickSource[], random: Random): PickSource {
  const one = Math.floor(random() * sources.length);
  const two = Math.floor(random() * sources.length);
  const quicker = (sources[one]?.expectedMs ?? 0) <= (sources[two]?.expectedMs ?? 0) ? one : two;
  return sources.splice(quicker, 1)[0] as PickSource;
}

function rarestAt(state: PickState, source: PickSource, random: Random): number | undefined {
  if (source.kind === 'peer' && !source.isSeed && !state.inOrder && random() < FIRST_SHARE)
    return firstAt(state, source);
  let best: number | undefined;
  let bestCopies = Infinity;
  let bestRank = Infinity;
  let ties = 0;
  const offered = source.holding === 'all' ? state.open : source.holding;
  state.open.forEach((index) => {
    const copies = state.copies(index);
    if (copies > bestCopies) return;
    const rank = rankAt(state, source, { index });
    if (rank === undefined || (copies === bestCopies && rank > bestRank)) return;
    // Reservoir sampling: each of the tied pieces ends up chosen with the same chance.
    ties = copies < bestCopies || rank < bestRank ? 1 : ties + 1;
    if (ties === 1 || (!state.inOrder && random() * ties < 1)) best = index;
    bestCopies = copies;
    bestRank = rank;
  }, offered);
  return best;
}

function firstAt(state: PickState, source: PickSource): number | undefined {
  return source.holding === 'all' ? state.open.first() : state.open.first(source.holding);
}

/** Some piece is neither here nor asked for, and a usable source could give it, if not now. */
function anyOpen(state: PickState, sources: readonly PickSource[]): boolean {
  return sources.some((source) => {
    if (source.kind === 'peer' && !source.isSeed) return offersAny(state.open, source.holding);
    return (
      (source.isSeed || state.readsOrigins) &&
      [...state.open].some((index) => rankAt(state, source, { index }) !== undefined)
    );
  });
}

/** An idle peer holds what waits in line at a busy one: whoever came by it later passes it on, and the first is relieved. */
function pickMove(state: PickState, sources: readonly PickSource[], random: Random): Pick | undefined {
  const idle = sources.filter((source) => source.kind === 'peer' && source.idle);
  if (idle.length === 0) return undefined;
  let longestMs = 0;
  let candidates: Pick[] = [];
  for (const [index, requests] of state.inFlight) {
    const [request] = requests;
    if (request?.movable !== true || requests.length > 1 || request.ageMs < longestMs) continue;
    const { ageMs } = request;
    const quicker = idle.filter((source) => {
      if (ageMs < Math.max(MOVE_AFTER_MS, MOVE_GAIN * source.expectedMs)) return false;
      return rankAt(state, source, { index }) !== undefined;
    });
    const chosen = randomOf(quicker, random);
    if (chosen === undefined) continue;
    if (ageMs > longestMs) candidates = [];
    longestMs = ageMs;
    candidates.push({ index, sourceKey: chosen.key, endgame: false, insteadOf: request.sourceKey });
  }
  return randomOf(candidates, random);
}

/** Every piece that could be asked for has been: ask a second source for the one that would keep us waiting longest. */
function pickEndgame(state: PickState, roomy: readonly PickSource[], random: Random): Pick | undefined {
  let longestMs = 0;
  let candidates: Pick[] = [];
  for (const [index, requests] of state.inFlight) {
    if (requests.length >= MAX_REQUESTS_PER_PIECE) continue;
    const remainingMs = Math.min(...requests.map((request) => request.remainingMs));
    if (remainingMs < longestMs) continue;
    const lateMs = Math.min(remainingMs, ...requests.map((request) => request.ageMs));
    const quicker = roomy.filter(
      (source) =>
        remainingMs > ENDGAME_GAIN * source.expectedMs + ENDGAME_GAIN_MS &&
        requests.every((request) => request.sourceKey !== source.key) &&
        rankAt(state, source, { index, lateMs }) !== undefined,
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
  if (!isHeld(source.holding, index)) return undefined;
  const late = lateMs === undefined ? {} : { lateMs };
  if (source.isSeed) return state.seedPolicy?.({ index, copies: state.copies(index), ofSeed: true, ...late });
  if (source.kind === 'peer') return 0;
  return state.originPolicy({ index, copies: state.copies(index), ...late });
}

function offersAny(open: PieceSet, holding: Holding): boolean {
  return holding === 'all' ? !open.isEmpty : open.meets(holding);
}

function ofKind(kind: PickSource['kind'], sources: readonly PickSource[]): PickSource[] {
  return sources.filter((source) => source.kind === kind && !source.isSeed);
}

function seedsOf(sources: readonly PickSource[]): PickSource[] {
  return sources.filter(({ isSeed }) => isSeed);
}

function randomOf<T>(items: readonly T[], random: Random): T | undefined {
  return items[Math.floor(random() * items.length)];
}
