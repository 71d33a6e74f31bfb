import type { Bitfield } from '../content/bitfield.ts';
import type { PieceGeometry } from '../content/piece-geometry.ts';
import type { Random } from '../util/random.ts';
import { AskableSources } from './askable-sources.ts';
import type { OriginRule } from './origin-rule.ts';
import { OriginShare, type OriginShareOptions } from './origin-share.ts';
import { RateMeter } from './pace.ts';
import { type OriginPolicy, type Pick, peersFirst, pickNext } from './picker.ts';
import { PieceSet } from './piece-set.ts';
import { type Availability, sourceKey } from './piece-source.ts';
import type { PiecesInFlight } from './pieces-in-flight.ts';
import { type Holding, Rarity } from './rarity.ts';
import { Seeds } from './seeds.ts';
import type { HeardSession } from './session-listener.ts';
import type { SourceSession } from './source-session.ts';
import type { InFlightBudget } from './window.ts';

/** Who else fetches the blob now; without it an origin is read as if this node were alone. */
export type SharedOrigins = Omit<OriginShareOptions, 'sha256' | 'pieceCount'>;

export interface PieceChoiceOptions {
  readonly sha256: string;
  readonly geometry: PieceGeometry;
  readonly have: Bitfield;
  readonly sharedOrigins: SharedOrigins | undefined;
  /** In place of `sharedOrigins`. */
  readonly originRule?: OriginRule | undefined;
}

export interface PieceChoiceParts {
  readonly sessions: ReadonlyMap<string, SourceSession>;
  readonly inFlight: PiecesInFlight;
  readonly budget: InFlightBudget;
  readonly random: Random;
}

const PEER_RATE_TAU_MS = 3000;
/** A node that has had nothing to ask for so long asks seeds for what was to come by others, and goes on for a while. */
const WITHHELD_MS = 1000;
const UNBOUND_MS = 3000;
/** A seed that gives a piece in so small a part of the time that the others take is not what everybody waits for. */
const PLENTY = 1 / 4;

/** What a download knows of pieces and sources, and what it asks next for that reason. No I/O, and time is a parameter. */
export class PieceChoice {
  readonly #geometry: PieceGeometry;
  readonly #have: Bitfield;
  readonly #parts: PieceChoiceParts;
  readonly #rarity: Rarity;
  readonly #share: OriginRule | undefined;
  readonly #peerRate = new RateMeter(PEER_RATE_TAU_MS);
  /** Peers that had a part of it once: when they are done, others have what they have. */
  readonly #seenFetching = new Set<string>();
  #idleSinceMs: number | undefined;
  #unboundUntilMs = -Infinity;
  /** When it was last asked, peers could have been asked for more than they had. */
  #wantsMore = true;

  constructor(options: PieceChoiceOptions, parts: PieceChoiceParts) {
    const { sha256, geometry, have, sharedOrigins, originRule } = options;
    this.#geometry = geometry;
    this.#have = have;
    this.#parts = parts;
    this.#rarity = new Rarity(geometry.pieceCount);
    this.#share = originRule;
    if (sharedOrigins !== undefined) {
      this.#share = new OriginShare({ sha256, pieceCount: geometry.pieceCount, ...sharedOrigins });
    }
  }

  opened(session: HeardSession, availability: Availability): void {
    if (session.id.kind !== 'peer') return;
    this.#rarity.join(session.key, availability);
    this.#noteFetching(session, availability);
  }

  closed(session: HeardSession): void {
    this.#rarity.leave(session.key);
  }

  /** Says whether it may change what is asked next. @param added as in `Availability` */
  availabilityChanged(session: HeardSession, added: readonly number[] | undefined, nowMs: number): boolean {
    const gained = this.#rarity.refresh(session.key, added);
    this.#noteFetching(session, session.availability);
    if (!gained) return true;
    this.#share?.gained(session.id.id, nowMs);
    if (added !== undefined && !added.some((index) => this.#parts.inFlight.open.has(index))) return false;
    return this.#wantsMore;
  }

  /** Bytes of a piece have come. */
  received(session: HeardSession, bytes: number, nowMs: number): void {
    if (session.id.kind === 'peer') this.#peerRate.add(bytes, nowMs);
    // A piece may be asked for and come between two looks.
    if (this.#idleSinceMs !== undefined) this.#idleSinceMs = nowMs;
  }

  /** Returns a function that gives one request after the other, each to be recorded before the next is asked for. */
  look(nowMs: number, originGranted: () => boolean): () => Pick | undefined {
    const { inFlight, sessions, random, budget } = this.#parts;
    this.#idleSinceMs = inFlight.size > 0 ? undefined : (this.#idleSinceMs ?? nowMs);
    // A peer that only ever asks for patience must not keep us from the origin.
    const refusing: Availability[] = [];
    let inOrder = true;
    for (const { id, availability, isRefusing } of sessions.values()) {
      if (id.kind === 'origin') continue;
      if (isRefusing && availability !== undefined) refusing.push(availability);
      inOrder &&= availability?.complete !== false;
    }
    const held = (index: number): number => refusing.filter((availability) => availability.has(index)).length;
    const copies =
      refusing.length === 0
        ? (index: number) => this.#rarity.copies(index)
        : (index: number) => this.#rarity.copies(index) - held(index);
    if (nowMs - (this.#idleSinceMs ?? Infinity) >= WITHHELD_MS) this.#unboundUntilMs = nowMs + UNBOUND_MS;
    const seeding = nowMs < this.#unboundUntilMs ? [] : this.#seeding(nowMs);
    const holdings = seeding.map((session) => this.#holdingOf(session));
    const seeds = new Seeds({ holdings, copies, open: inFlight.open });
    const originPolicy = this.#originPolicy((index) => seeds.copiesElsewhere(index), seeding, nowMs);
    const readsOrigins = this.#share?.reads ?? true;
    const { open, byPiece } = inFlight;
    const state = {
      ...{ open, inFlight: byPiece, copies, originPolicy, readsOrigins, inOrder },
      ...(seeding.length === 0 ? {} : { seedPolicy: seeds.policy(originPolicy) }),
    };
    const sources = new AskableSources(sessions.values(), {
      nowMs,
      pieceSizeBytes: this.#geometry.pieceSizeBytes,
      peerBytesPerSecond: this.#peerRate.bytesPerSecond(nowMs),
      holdingOf: (session) => this.#holdingOf(session),
      isSeed: (session) => seeding.includes(session),
      totalBytes: () => budget.bytes,
      originGranted,
    });
    let last: Pick | undefined;
    return () => {
      if (last !== undefined) {
        sources.changed(last.sourceKey);
        if (last.insteadOf !== undefined) sources.changed(last.insteadOf);
      }
      last = pickNext(state, sources.all, random);
      if (last === undefined) this.#wantsMore = sources.all.some(({ kind, room }) => kind === 'peer' && room > 0);
      return last;
    };
  }

  /** When to look again although nothing has happened; in the past when there is no such time. */
  get wakeMs(): number {
    const shareMs = this.#share?.wakeMs ?? -Infinity;
    if (this.#idleSinceMs === undefined) return shareMs;
    const withheldMs = this.#idleSinceMs + WITHHELD_MS;
    return shareMs > this.#idleSinceMs ? Math.min(shareMs, withheldMs) : withheldMs;
  }

  /** The seeds that can be asked now; none where there is enough of them: many, or much quicker than who fetches. */
  #seeding(nowMs: number): SourceSession[] {
    const share = this.#share;
    if (share === undefined) return [];
    const seeds: SourceSession[] = [];
    let fetching = 0;
    const quickestMs = { seed: Infinity, other: Infinity };
    for (const session of this.#parts.sessions.values()) {
      const { id, availability, isRefusing, line } = session;
      if (id.kind === 'origin' || availability === undefined || isRefusing) continue;
      const isWhole = availability.complete && !this.#seenFetching.has(session.key);
      const isSeed = isWhole || share.isSeed?.(id.id) === true;
      if (isSeed) seeds.push(session);
      else fetching += 1;
      const who = isSeed ? 'seed' : 'other';
      const expectedMs = line.expectedMs(this.#geometry.pieceSizeBytes, nowMs);
      if (expectedMs > 0) quickestMs[who] = Math.min(quickestMs[who], expectedMs);
    }
    const isPlenty = quickestMs.other < Infinity && quickestMs.seed < PLENTY * quickestMs.other;
    return seeds.length > fetching || isPlenty ? [] : seeds;
  }

  /** An empty have map may be one that has not come yet, or is lost: it says nothing. */
  #noteFetching({ key }: HeardSession, availability: Availability | undefined): void {
    const holding = this.#rarity.holding(key);
    if (availability?.complete !== false || holding === undefined || holding === 'all' || holding.isEmpty) return;
    this.#seenFetching.add(key);
  }

  #originPolicy(copies: (index: number) => number, seeding: readonly SourceSession[], nowMs: number): OriginPolicy {
    if (this.#share === undefined) return peersFirst;
    const { sessions } = this.#parts;
    let neighbours: Set<string> | undefined;
    let pieceMs = 0;
    for (const session of sessions.values()) {
      const { id, line } = session;
      if (id.kind !== 'origin' && !seeding.includes(session)) continue;
      const expectedMs = line.expectedMs(this.#geometry.pieceSizeBytes, nowMs);
      if (expectedMs < Infinity) pieceMs = Math.max(pieceMs, expectedMs);
    }
    return this.#share.look({
      nowMs,
      starvedMs: this.#idleSinceMs === undefined ? 0 : nowMs - this.#idleSinceMs,
      pieceMs,
      isMissingEverywhere: (index) => copies(index) === 0 && !this.#have.has(index),
      // Asked about every node of the fleet, of which few are.
      isNeighbour: (fetcher) => (neighbours ??= this.#neighbours()).has(fetcher),
      isWatched: (fetcher) => {
        const session = sessions.get(sourceKey({ kind: 'peer', id: fetcher }));
        return session?.availability !== undefined && !session.isRefusing;
      },
    });
  }

  #neighbours(): Set<string> {
    const neighbours = new Set<string>();
    for (const { id, hasLeft } of this.#parts.sessions.values())
      if (id.kind === 'peer' && !hasLeft) neighbours.add(id.id);
    return neighbours;
  }

  #holdingOf({ key, availability }: SourceSession): Holding {
    const known = this.#rarity.holding(key);
    if (known !== undefined) return known;
    if (availability === undefined || availability.complete) return 'all';
    return PieceSet.of(
      this.#geometry.pieceCount,
      [...this.#have.missing()].filter((index) => availability.has(index)),
    );
  }
}
