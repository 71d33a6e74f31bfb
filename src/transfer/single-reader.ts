import type { GrowingManifest } from './growing-manifest.ts';
import type { OriginRule } from './origin-rule.ts';
import { type OriginLook, OriginShare, TAKE_OVER_MS } from './origin-share.ts';
import type { OriginPolicy } from './picker.ts';
import { readersInOrder } from './reader-election.ts';
import { ReadingPace, SLOWEST_BYTES_PER_SECOND } from './reading-pace.ts';

export interface SingleReaderOptions {
  readonly growing: GrowingManifest;
  readonly self: string;
  /** Who fetches the draft now, as far as is known; without those that are not to be trusted. */
  readonly fetchers: () => Iterable<string>;
  /** There is a connection to it now. */
  readonly isReachable: (fetcher: string) => boolean;
  /** Whether there are other nodes at all that might begin at the same time. */
  readonly hasCompany: () => boolean;
}

/** So long a node that begins waits for news of others: a fleet that is told to fetch begins at once. */
const SETTLE_MS = 500;
/** And so long for the first word of those it asks what they know. */
const ANSWER_MS = 1500;
/** How far ahead of the first unknown piece it is read: enough for a link, and nearly in order, as a disk likes it. */
const READ_AHEAD = 32;
/** In the endgame the origin gives what another was asked for only when that is so late. */
const ENDGAME_LATE_MS = 3000;
/** A node that gains nothing while others do cannot reach who has it: it reads what it lacks. */
const STARVED_MS = 10_000;
const ELECT_EVERY_MS = 100;
/** Elections that are so far apart: this process was held up, and cannot tell who was idle meanwhile. */
const HELD_UP_MS = 1000;

/**
 * The first read of a file: one node reads it from the origin, in order; the others get its pieces, and check them by
 * the hashes that it tells. Each has its turn for as long as it makes progress, and not much less than an origin gives; one after the other, so that a death
 * or an origin that hangs does not make readers of them all. No I/O, and time is a parameter.
 */
export class SingleReader implements OriginRule {
  readonly #options: SingleReaderOptions;
  readonly #patienceMs: number;
  readonly #progressMs = new Map<string, number>();
  readonly #readMs = new Map<string, number>();
  readonly #passed = new Set<string>();
  readonly #pace: ReadingPace;
  /** Those that were reachable at some time: when they are not any more they have gone. */
  readonly #met = new Set<string>();
  #turn: { readonly reader: string; sinceMs: number };
  #startMs: number | undefined;
  #nowMs = -Infinity;
  #order: readonly string[] = [];
  #isAnswered = false;
  #mayRead = false;
  /** What the others take from the reader is shared out among them as if it were the origin. */
  readonly #share: OriginShare;

  constructor(options: SingleReaderOptions) {
    this.#options = options;
    const { pieceSizeBytes } = options.growing.manifest;
    // Progress shows piece by piece, so a large piece of a slow origin must not look like none.
    this.#patienceMs = Math.max(TAKE_OVER_MS, (pieceSizeBytes / SLOWEST_BYTES_PER_SECOND) * 1000);
    this.#pace = new ReadingPace({ windowMs: this.#patienceMs });
    this.#turn = { reader: options.self, sinceMs: -Infinity };
    const { growing, self, hasCompany } = options;
    const listeners = (): string[] => [self, ...options.fetchers()].filter((peerId) => peerId !== this.#order[0]);
    this.#share = new OriginShare({
      ...{ sha256: growing.draft.id, pieceCount: growing.known.length, self, hasCompany },
      fetchers: listeners,
    });
  }

  get reads(): boolean {
    return this.#mayRead;
  }

  /** The reader first, then who takes over from it. */
  get order(): readonly string[] {
    return this.#order;
  }

  /** Whether it is waited for what others know before anything is read. */
  get isSettling(): boolean {
    const { hasCompany } = this.#options;
    if (this.#startMs === undefined) return true;
    const sinceMs = this.#nowMs - this.#startMs;
    if (sinceMs >= ANSWER_MS || !hasCompany()) return false;
    return sinceMs < SETTLE_MS || (this.#order.length > 1 && !this.#isAnswered);
  }

  get wakeMs(): number {
    if (this.#startMs === undefined) return -Infinity;
    return this.#startMs + (this.#nowMs < this.#startMs + SETTLE_MS ? SETTLE_MS : ANSWER_MS);
  }

  isSeed(fetcher: string): boolean {
    return fetcher === this.#order[0];
  }

  gained(fetcher: string, nowMs: number): void {
    this.#share.gained(fetcher, nowMs);
    this.#progressed(fetcher, nowMs);
    this.#pace.has(fetcher, this.#options.growing.manifest.pieceSizeBytes, nowMs);
  }

  /** Hashes of so many pieces that it has read were heard. */
  heardFrom(reader: string, nowMs: number, pieces = 1): void {
    this.#progressed(reader, nowMs);
    this.#pace.told(reader, pieces * this.#options.growing.manifest.pieceSizeBytes, nowMs);
    this.#readMs.set(reader, nowMs);
    this.#isAnswered = true;
  }

  /** Somebody has told all that was known before. */
  answered(): void {
    this.#isAnswered = true;
  }

  /** Also without a look: who reads now. */
  elect(nowMs: number): void {
    const sinceMs = nowMs - this.#nowMs;
    if (sinceMs < ELECT_EVERY_MS) return;
    if (this.#startMs !== undefined && sinceMs >= HELD_UP_MS) {
      this.#turn.sinceMs = nowMs;
      this.#pace.begin(this.#turn.reader);
    }
    this.#startMs ??= nowMs;
    this.#nowMs = nowMs;
    this.#order = this.#elected();
    const [reader = this.#options.self] = this.#order;
    if (reader !== this.#turn.reader || this.#turn.sinceMs === -Infinity) this.#take(reader, nowMs);
    const idleMs = nowMs - Math.max(this.#turn.sinceMs, this.#progressMs.get(reader) ?? -Infinity);
    if (idleMs >= this.#patienceMs) this.#passed.add(reader);
    else if (!this.#isTooSlow(nowMs)) return;
    this.#order = this.#elected();
    // All have had their turn: it may go better now.
    if (this.#order.every((peerId) => this.#hasPassed(peerId))) {
      this.#passed.clear();
      this.#pace.forgive();
    }
    this.#take(this.#order[0] ?? reader, nowMs);
  }

  look(look: OriginLook): OriginPolicy {
    this.elect(look.nowMs);
    const { growing, self } = this.#options;
    const isStarved = look.starvedMs >= STARVED_MS && this.#order.some((peerId) => this.#isThere(peerId));
    this.#mayRead = isStarved || (this.#order[0] === self && !this.isSettling);
    const ofReader = this.#share.look(look);
    return (piece) => {
      if (piece.ofSeed === true) return ofReader(piece);
      const { index, copies, lateMs } = piece;
      if (!this.#mayRead) return undefined;
      if (lateMs !== undefined) return lateMs >= ENDGAME_LATE_MS ? index : undefined;
      if (copies > 0) return undefined;
      const reader = growing.readerOf(index);
      if (reader === undefined) return index < growing.frontier + READ_AHEAD ? index : undefined;
      // Another has read it and is there: it comes, if its have map is a moment late.
      return reader !== self && this.#isThere(reader) && !isStarved ? undefined : index;
    };
  }

  #take(reader: string, nowMs: number): void {
    this.#turn = { reader, sinceMs: nowMs };
    this.#pace.begin(reader);
  }

  #progressed(fetcher: string, nowMs: number): void {
    this.#progressMs.set(fetcher, nowMs);
    this.#passed.delete(fetcher);
  }

  /** Where there is nobody else, or nothing left to read, the pace says nothing. */
  #isTooSlow(nowMs: number): boolean {
    return this.#order.length > 1 && !this.#options.growing.known.complete && this.#pace.isTooSlow(nowMs);
  }

  /** It had its turn, and made too little of it. */
  #hasPassed(peerId: string): boolean {
    return this.#passed.has(peerId) || this.#pace.wasTooSlow(peerId);
  }

  #elected(): string[] {
    const { growing, self, fetchers, isReachable } = this.#options;
    const candidates = [...new Set([self, ...fetchers()])].map((peerId) => {
      const reachable = peerId === self || isReachable(peerId);
      if (reachable) this.#met.add(peerId);
      const hasGone = !reachable && this.#met.has(peerId);
      const hasRead = this.#nowMs - (this.#readMs.get(peerId) ?? -Infinity) < this.#patienceMs;
      return { peerId, reachable, reads: hasRead && !hasGone, passed: this.#hasPassed(peerId) };
    });
    return readersInOrder(growing.draft.id, candidates);
  }

  #isThere(reader: string): boolean {
    return this.#nowMs - (this.#progressMs.get(reader) ?? -Infinity) < this.#patienceMs;
  }
}
