import { Bitfield } from '../content/bitfield.ts';
import { BLAKE3_BYTES } from '../content/blake3.ts';
import type { Draft } from '../content/draft.ts';
import { type Manifest, pieceHash } from '../content/manifest.ts';
import { geometryOf } from '../content/piece-geometry.ts';
import type { HashRun } from '../swarm/hash-run.ts';
import { ShoalError } from '../util/errors.ts';

/** Two hashes for one piece: one of the two is no hash of what lies on the origin. */
export interface Dispute {
  readonly index: number;
  /** By whose word it is told here, against the one whose word is taken. */
  readonly sayer: string;
  readonly hash: Uint8Array;
}

/** What a run has brought. */
export interface RunNews {
  readonly added: readonly number[];
  readonly disputes: readonly Dispute[];
}

/** Somebody may pretend to be many; more readers than this follow each other on no honest file. */
const MAX_READERS = 64;
/** A liar may dispute everything: one dispute is enough to find him out. */
const MAX_DISPUTES = 4;
/** An honest reader tells each piece once, and once more when it has begun anew. Runs are kept, so their sum is bounded. */
const MAX_TELLINGS = 2;
/** Place of this node among the readers, which others cannot take. */
const SELF = 0;

/**
 * The hashes of a draft's pieces as far as they are known, and by whose word: they grow until the file has an ordinary
 * manifest. Of each piece the first word counts; a later one that contradicts it is a dispute, which is for the caller
 * to settle. Pure: who signed was proved before, and the mount is read elsewhere.
 */
export class GrowingManifest {
  readonly draft: Draft;
  /** Its hashes are filled in; those that `known` does not name are zero. */
  readonly manifest: Manifest;
  readonly known: Bitfield;
  /** What others are to hear; each brought something. */
  readonly runs: HashRun[] = [];
  /** This node first, then whoever said something that was taken. */
  readonly #sayers: string[];
  /** How many hashes are kept by the word of each. */
  readonly #told: number[] = [0];
  /** Place in `#sayers` of who said it. */
  readonly #saidBy: Uint8Array;
  readonly #unsigned = new Set<number>();
  readonly #addedListeners = new Set<(added: readonly number[]) => void>();
  readonly #runListeners = new Set<() => void>();
  #frontier = 0;

  constructor(draft: Draft, self: string) {
    this.draft = draft;
    this.#sayers = [self];
    const { sizeBytes, pieceSizeBytes, pieceCount } = geometryOf(draft.sizeBytes);
    const pieceHashes = new Uint8Array(pieceCount * BLAKE3_BYTES);
    this.manifest = { sizeBytes, pieceSizeBytes, sha256: draft.id, pieceHashes };
    this.known = new Bitfield(pieceCount);
    this.#saidBy = new Uint8Array(pieceCount);
  }

  /** Index of the first piece whose hash is not known. */
  get frontier(): number {
    while (this.#frontier < this.known.length && this.known.has(this.#frontier)) this.#frontier += 1;
    return this.#frontier;
  }

  /** By whose word the hash is known. */
  readerOf(index: number): string | undefined {
    return this.known.has(index) ? this.#sayers[this.#saidBy[index] ?? SELF] : undefined;
  }

  /**
   * Takes a run whose signature holds, by the word of its reader or of whoever answers for it.
   * @throws ShoalError `source-lied` for what no honest node would have passed on; where it is the sayer and not who passed
   * it on that has gone too far, its name is in the field `sayer`
   */
  add(run: HashRun, sayer = run.reader): RunNews {
    const count = run.hashes.length / BLAKE3_BYTES;
    if (run.first + count > this.known.length) {
      throw new ShoalError('source-lied', `hashes of pieces up to ${run.first + count} of ${this.known.length}`);
    }
    const isNews = this.#bringsNews(run.first, count);
    const place = isNews ? this.#placeFor(sayer, count) : SELF;
    const added: number[] = [];
    const disputes: Dispute[] = [];
    for (let at = 0; at < count; at += 1) {
      const index = run.first + at;
      const hash = run.hashes.subarray(at * BLAKE3_BYTES, (at + 1) * BLAKE3_BYTES);
      if (!this.known.has(index)) {
        this.#set(index, hash, place);
        added.push(index);
      } else if (!this.#isHash(index, hash) && disputes.length < MAX_DISPUTES) {
        disputes.push({ index, sayer, hash });
      }
    }
    if (added.length > 0) {
      this.#keep(run);
      this.#tell(added);
    }
    return { added, disputes };
  }

  /** This node has read the piece itself. False when somebody's word, which was taken, is another. */
  read(index: number, hash: Uint8Array): boolean {
    if (this.known.has(index)) return this.#isHash(index, hash);
    this.#set(index, hash, SELF);
    this.#unsigned.add(index);
    this.#tell([index]);
    return true;
  }

  /** What `read` has brought since the last time, in runs without gaps, to be signed. */
  takeUnsigned(maxPieces: number): { first: number; hashes: Uint8Array }[] {
    const indices = [...this.#unsigned].sort((a, b) => a - b);
    this.#unsigned.clear();
    const runs: { first: number; count: number }[] = [];
    for (const index of indices) {
      const last = runs.at(-1);
      if (last !== undefined && index === last.first + last.count && last.count < maxPieces) last.count += 1;
      else runs.push({ first: index, count: 1 });
    }
    const { pieceHashes } = this.manifest;
    return runs.map(({ first, count }) => ({
      first,
      hashes: pieceHashes.slice(first * BLAKE3_BYTES, (first + count) * BLAKE3_BYTES),
    }));
  }

  /** What was taken by `takeUnsigned`, signed. */
  signed(run: HashRun): void {
    this.#keep(run);
  }

  /** Calls back when more hashes are known; returns what ends that. */
  onAdded(listener: (added: readonly number[]) => void): () => void {
    this.#addedListeners.add(listener);
    return () => this.#addedListeners.delete(listener);
  }

  /** Calls back when there is one more run for others. */
  onRun(listener: () => void): () => void {
    this.#runListeners.add(listener);
    return () => this.#runListeners.delete(listener);
  }

  #isHash(index: number, hash: Uint8Array): boolean {
    return Buffer.compare(pieceHash(this.manifest, index), hash) === 0;
  }

  #bringsNews(first: number, count: number): boolean {
    for (let index = first; index < first + count; index += 1) if (!this.known.has(index)) return true;
    return false;
  }

  /** Its place, with so many hashes more to its account. */
  #placeFor(sayer: string, count: number): number {
    const known = this.#sayers.indexOf(sayer);
    const place = known >= 0 ? known : this.#sayers.length;
    if (place > MAX_READERS) throw new ShoalError('source-lied', 'too many readers of one file');
    const told = (this.#told[place] ?? 0) + count;
    if (told > MAX_TELLINGS * this.known.length) {
      throw new ShoalError('source-lied', 'tells the same pieces again and again', { fields: { sayer } });
    }
    this.#sayers[place] = sayer;
    this.#told[place] = told;
    return place;
  }

  #set(index: number, hash: Uint8Array, place: number): void {
    this.manifest.pieceHashes.set(hash, index * BLAKE3_BYTES);
    this.#saidBy[index] = place;
    this.known.add(index);
  }

  #keep(run: HashRun): void {
    this.runs.push(run);
    for (const listener of [...this.#runListeners]) listener();
  }

  #tell(added: readonly number[]): void {
    for (const listener of [...this.#addedListeners]) listener(added);
  }
}
