import type { Bitfield } from '../content/bitfield.ts';
import type { PieceGeometry } from '../content/piece-geometry.ts';
import type { Random } from '../util/random.ts';
import { askableSources } from './askable-sources.ts';
import { OriginShare, type OriginShareOptions } from './origin-share.ts';
import { type OriginPolicy, type Pick, peersFirst, pickNext } from './picker.ts';
import { type Availability, sourceKey } from './piece-source.ts';
import type { PiecesInFlight } from './pieces-in-flight.ts';
import { Rarity } from './rarity.ts';
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
}

export interface PieceChoiceParts {
  readonly sessions: ReadonlyMap<string, SourceSession>;
  readonly inFlight: PiecesInFlight;
  readonly budget: InFlightBudget;
  readonly random: Random;
}

/** What a download knows of pieces and sources, and what it asks next for that reason. No I/O, and time is a parameter. */
export class PieceChoice {
  readonly #geometry: PieceGeometry;
  readonly #have: Bitfield;
  readonly #parts: PieceChoiceParts;
  readonly #rarity: Rarity;
  readonly #share: OriginShare | undefined;
  #idleSinceMs: number | undefined;
  /** When it was last asked, peers could have been asked for more than they had. */
  #wantsMore = true;

  constructor(options: PieceChoiceOptions, parts: PieceChoiceParts) {
    const { sha256, geometry, have, sharedOrigins } = options;
    this.#geometry = geometry;
    this.#have = have;
    this.#parts = parts;
    this.#rarity = new Rarity(geometry.pieceCount);
    if (sharedOrigins !== undefined) {
      this.#share = new OriginShare({ sha256, pieceCount: geometry.pieceCount, ...sharedOrigins });
    }
  }

  opened(session: HeardSession, availability: Availability): void {
    if (session.id.kind === 'peer') this.#rarity.join(session.key, availability);
  }

  closed(session: HeardSession): void {
    this.#rarity.leave(session.key);
  }

  /** Says whether it may change what is asked next. @param added as in `Availability` */
  availabilityChanged(session: HeardSession, added: readonly number[] | undefined, nowMs: number): boolean {
    const gained = this.#rarity.refresh(session.key, added);
    if (!gained) return true;
    this.#share?.gained(session.id.id, nowMs);
    if (added !== undefined && !added.some((index) => this.#isOpen(index))) return false;
    return this.#wantsMore;
  }

  /** Returns a function that gives one request after the other, each to be recorded before the next is asked for. */
  look(nowMs: number, originGranted: () => boolean): () => Pick | undefined {
    const { inFlight, sessions, random, budget } = this.#parts;
    this.#idleSinceMs = inFlight.size > 0 ? undefined : (this.#idleSinceMs ?? nowMs);
    // A peer that only ever asks for patience must not keep us from the origin.
    const refusing = [...sessions.values()].filter(({ id, isRefusing }) => id.kind === 'peer' && isRefusing);
    const held = (index: number): number => refusing.filter(({ availability }) => availability?.has(index)).length;
    const copies =
      refusing.length === 0
        ? (index: number) => this.#rarity.copies(index)
        : (index: number) => this.#rarity.copies(index) - held(index);
    const open = new Set<number>();
    for (const index of this.#have.missing()) if (!inFlight.byPiece.has(index)) open.add(index);
    const originPolicy = this.#originPolicy(copies, nowMs);
    const inOrder = [...sessions.values()].every(
      ({ id, availability }) => id.kind === 'origin' || availability?.complete !== false,
    );
    const state = { open, inFlight: inFlight.byPiece, copies, originPolicy, inOrder };
    const { pieceSizeBytes } = this.#geometry;
    return () => {
      const conditions = { nowMs, pieceSizeBytes, totalBytes: budget.bytes, originGranted };
      const sources = askableSources(sessions.values(), conditions);
      const pick = pickNext(state, sources, random);
      if (pick !== undefined) open.delete(pick.index);
      else this.#wantsMore = sources.some(({ kind, room }) => kind === 'peer' && room > 0);
      return pick;
    };
  }

  /** When to look again although nothing has happened; in the past when there is no such time. */
  get wakeMs(): number {
    return this.#share?.wakeMs ?? -Infinity;
  }

  #originPolicy(copies: (index: number) => number, nowMs: number): OriginPolicy {
    if (this.#share === undefined) return peersFirst;
    const { sessions } = this.#parts;
    let pieceMs = 0;
    for (const { id, line } of sessions.values()) {
      if (id.kind !== 'origin') continue;
      const expectedMs = line.expectedMs(this.#geometry.pieceSizeBytes, nowMs);
      if (expectedMs < Infinity) pieceMs = Math.max(pieceMs, expectedMs);
    }
    return this.#share.look({
      nowMs,
      starvedMs: this.#idleSinceMs === undefined ? 0 : nowMs - this.#idleSinceMs,
      pieceMs,
      isMissingEverywhere: (index) => copies(index) === 0 && !this.#have.has(index),
      isNeighbour: (fetcher) => sessions.get(sourceKey({ kind: 'peer', id: fetcher }))?.hasLeft === false,
      isWatched: (fetcher) => {
        const session = sessions.get(sourceKey({ kind: 'peer', id: fetcher }));
        return session?.availability !== undefined && !session.isRefusing;
      },
    });
  }

  #isOpen(index: number): boolean {
    return !this.#have.has(index) && !this.#parts.inFlight.byPiece.has(index);
  }
}
