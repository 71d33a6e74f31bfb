import { fetcherSeed, readersOf, weightOf } from './assignment.ts';
import type { OriginPolicy } from './picker.ts';

/** So many nodes read from origins; see `readersOf`. */
export const ORIGIN_READERS = 8;
/** A fetcher that has no new piece for so long makes no progress: others read what was assigned to it. */
export const TAKE_OVER_MS = 3000;
/** A node that has nothing to ask for becomes a reader too: twice as many nodes after each such time. */
const STARVED_MS = 3000;
/** With so few pieces left, their reader has them on the way: helping would read them twice. */
const HELP_BACKLOG = 4;
/** In the endgame an origin gives what was assigned to others only when it is that late. */
const ENDGAME_LATE_MS = 3000;
/** So long a node that begins waits until it knows who else does: a fleet that is told to fetch begins at once. */
const SETTLE_MS = 300;
/** A blob of fewer pieces is read sooner than it is waited for. */
const SETTLE_PIECES = 16;
/** Fetchers come and go slowly, pieces quickly. */
const ASSIGN_EVERY_MS = 100;
/**
 * Readers that know of each other go through the file together in so many steps, each taking its own pieces of a step in an
 * order of its own: the beginning is complete, and can be hashed, long before the end.
 */
const STEPS = 32;
/** So long a reader that seems to be alone takes its own pieces of the whole file first: others may have begun, too. */
const ALONE_MS = 3000;
const WEIGHTS = 2 ** 32;
/** Pieces that a node helps with come after all of its own. */
export const HELP_RANK = STEPS * WEIGHTS;

export interface OriginShareOptions {
  readonly sha256: string;
  readonly pieceCount: number;
  readonly self: string;
  /** Who is fetching the blob now, as far as is known; this node may be among them. */
  readonly fetchers: () => Iterable<string>;
  /** Whether there are other nodes at all that might begin at the same time. */
  readonly hasCompany: () => boolean;
  readonly readers?: number;
}

/** How the pieces stand for the node that looks. */
export interface OriginLook {
  readonly nowMs: number;
  /** How long this node has had nothing under way. */
  readonly starvedMs: number;
  /** How long a piece takes from the origin; 0 when unknown. */
  readonly pieceMs: number;
  /** Neither here nor with any usable peer but seeds. */
  isMissingEverywhere(index: number): boolean;
  /** It is, or should be, one of this node's sources. */
  isNeighbour(fetcher: string): boolean;
  /** Its pieces can be seen: what is missing everywhere is missing there. */
  isWatched(fetcher: string): boolean;
}

/**
 * This node's part of reading a blob from origins, so that all nodes together read it about once. Each piece is assigned
 * to one of the readers. A node that seems to be alone reads first those pieces for which its weight is highest: these are
 * its own in whatever company, so that nodes that do not know of each other yet do not read the same. In company it reads
 * its own from the beginning of the file to its end, and when they are done it helps the slower ones, from their far end.
 */
export class OriginShare {
  readonly #options: OriginShareOptions;
  readonly #seenMs = new Map<string, number>();
  #startMs: number | undefined;
  #nextAssignMs = -Infinity;
  #count = 0;
  #fetching: readonly string[] = [];
  #readers: readonly string[] = [];
  #isReader = true;
  #settling = false;
  #owners: Uint16Array;
  #ownWeights: Uint32Array;
  #ownerWeights: Uint32Array;
  /** Of the readers after the owner, this node is the next. */
  #isSecond: Uint8Array;

  constructor(options: OriginShareOptions) {
    this.#options = options;
    this.#owners = new Uint16Array(options.pieceCount);
    this.#ownWeights = new Uint32Array(options.pieceCount);
    this.#ownerWeights = new Uint32Array(options.pieceCount);
    this.#isSecond = new Uint8Array(options.pieceCount);
  }

  /** The fetcher has one more piece. */
  gained(fetcher: string, nowMs: number): void {
    this.#seenMs.set(fetcher, nowMs);
  }

  /** When to look again although nothing has happened. */
  get wakeMs(): number {
    if (this.#startMs === undefined || this.#options.pieceCount < SETTLE_PIECES) return -Infinity;
    return this.#startMs + SETTLE_MS;
  }

  /** Whether the last look allowed anything but what is late. */
  get reads(): boolean {
    return this.#isReader && !this.#settling;
  }

  /** What may be read now. */
  look(look: OriginLook): OriginPolicy {
    if (look.nowMs >= this.#nextAssignMs) {
      this.#nextAssignMs = look.nowMs + ASSIGN_EVERY_MS;
      this.#assign(this.#live(look), look);
    }
    const { self } = this.#options;
    let backlogs: Uint32Array | undefined;
    this.#startMs ??= look.nowMs;
    this.#settling = look.nowMs < this.wakeMs && this.#options.hasCompany();
    const settling = this.#settling;
    const inSteps = this.#readers.length > 1 || look.nowMs >= this.#startMs + ALONE_MS;
    const stepOf = (index: number): number => (inSteps ? Math.floor((index * STEPS) / this.#options.pieceCount) : 0);
    return ({ index, copies, lateMs, ofSeed = false }) => {
      if (settling && !ofSeed) return undefined;
      if (lateMs !== undefined) return lateMs >= ENDGAME_LATE_MS ? HELP_RANK : undefined;
      if (copies > 0 || !this.#isReader) return undefined;
      const owner = this.#owners[index] ?? 0;
      const name = this.#readers[owner];
      if (name === self) return stepOf(index) * WEIGHTS + WEIGHTS - (this.#ownWeights[index] ?? 0);
      if (name === undefined || this.#isSecond[index] !== 1) return undefined;
      // One that gives this node nothing may well take from a seed, but then it is no use to wait for it.
      if (!ofSeed && !look.isWatched(name)) return undefined;
      backlogs ??= this.#backlogs(look);
      if ((backlogs[owner] ?? 0) <= HELP_BACKLOG) return undefined;
      return HELP_RANK + (STEPS - stepOf(index)) * WEIGHTS + (this.#ownerWeights[index] ?? 0);
    };
  }

  /** Those that make progress, this node always among them: to leave one out is the take-over. */
  #live(look: OriginLook): string[] {
    const { nowMs, pieceMs } = look;
    const { self, fetchers } = this.#options;
    const quietMs = Math.max(TAKE_OVER_MS, 3 * pieceMs);
    const live = [self];
    for (const fetcher of fetchers()) {
      if (fetcher === self) continue;
      const seenMs = this.#seenMs.get(fetcher);
      if (seenMs === undefined) this.#seenMs.set(fetcher, nowMs);
      // Of whom nothing is heard it cannot be said that he makes no progress.
      if (seenMs === undefined || nowMs - seenMs < quietMs || !look.isNeighbour(fetcher)) live.push(fetcher);
    }
    return live;
  }

  #assign(live: readonly string[], { starvedMs }: OriginLook): void {
    const { sha256, self, pieceCount, readers: base = ORIGIN_READERS } = this.#options;
    const count = base * 2 ** Math.min(16, Math.floor(starvedMs / STARVED_MS));
    if (count === this.#count && isSame(live, this.#fetching)) return;
    this.#count = count;
    this.#fetching = live;
    const readers = readersOf(sha256, live, count);
    if (isSame(readers, this.#readers)) return;
    this.#readers = readers;
    this.#isReader = readers.includes(self);
    if (!this.#isReader) return;
    const seeds = readers.map((reader) => fetcherSeed(sha256, reader));
    const ownSeed = fetcherSeed(sha256, self);
    const ownPlace = readers.indexOf(self);
    for (let index = 0; index < pieceCount; index += 1) {
      let owner = 0;
      let second = -1;
      let highest = -1;
      let next = -1;
      for (let at = 0; at < seeds.length; at += 1) {
        const weight = weightOf(seeds[at] ?? 0, index);
        if (weight > highest) {
          second = owner;
          next = highest;
          owner = at;
          highest = weight;
        } else if (weight > next) {
          second = at;
          next = weight;
        }
      }
      this.#owners[index] = owner;
      this.#isSecond[index] = second === ownPlace ? 1 : 0;
      this.#ownerWeights[index] = highest;
      this.#ownWeights[index] = weightOf(ownSeed, index);
    }
  }

  #backlogs(look: OriginLook): Uint32Array {
    const backlogs = new Uint32Array(this.#readers.length);
    for (let index = 0; index < this.#options.pieceCount; index += 1) {
      const owner = this.#owners[index] ?? 0;
      if (look.isMissingEverywhere(index)) backlogs[owner] = (backlogs[owner] ?? 0) + 1;
    }
    return backlogs;
  }
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((name, at) => name === other[at]);
}
