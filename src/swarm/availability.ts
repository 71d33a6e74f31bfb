import { Bitfield } from '../content/bitfield.ts';
import { ShoalError } from '../util/errors.ts';
import type { HaveReport } from './wire/exchange.js';

/** Which pieces of one blob one peer has, as it says. Live while somebody listens or asks. */
export interface Availability {
  readonly complete: boolean;
  /** Pieces. */
  readonly count: number;
  has(index: number): boolean;
  /** `added`: nothing else has changed. Returns what ends it. */
  onChange(listener: (added?: readonly number[]) => void): () => void;
}

/** What a peer reported of a blob so far, checked against the blob's number of pieces. */
export class ReportedPieces implements Availability {
  readonly pieceCount: number;
  readonly #rewatch: (view: ReportedPieces) => boolean;
  readonly #listeners = new Set<(added?: readonly number[]) => void>();
  #have: Bitfield;
  #complete = false;
  #watched = false;
  #used = true;

  /** @param rewatch called on the first use and on the first after a time without; says whether it could be done */
  constructor(pieceCount: number, rewatch: (view: ReportedPieces) => boolean) {
    this.pieceCount = pieceCount;
    this.#have = new Bitfield(pieceCount);
    this.#rewatch = rewatch;
  }

  get complete(): boolean {
    this.use();
    return this.#complete || this.#have.complete;
  }

  get count(): number {
    this.use();
    return this.#complete ? this.pieceCount : this.#have.count;
  }

  has(index: number): boolean {
    this.use();
    return this.#complete ? index >= 0 && index < this.pieceCount : this.#have.has(index);
  }

  onChange(listener: (added?: readonly number[]) => void): () => void {
    this.#listeners.add(listener);
    this.use();
    return () => this.#listeners.delete(listener);
  }

  use(): void {
    this.#used = true;
    if (!this.#watched) this.#watched = this.#rewatch(this);
  }

  /** Says whether anyone cared since the last time this was asked; if not, it is no longer kept up to date. */
  stillUsed(): boolean {
    const used = this.#used || this.#listeners.size > 0;
    this.#used = false;
    if (!used) {
      this.#watched = false;
      this.#empty();
    }
    return used;
  }

  /** @throws ShoalError `source-lied` for pieces that the blob does not have */
  report({ snapshot, delta, complete, gone }: HaveReport): void {
    if (snapshot !== undefined) {
      this.#have = parseSnapshot(snapshot, this.pieceCount);
      this.#complete = false;
    } else if (delta !== undefined) {
      this.#tell(this.#add(delta.steps));
      return;
    } else if (complete === true) this.#complete = true;
    else if (gone === true) this.#empty();
    this.#tell();
  }

  /** The peer cannot be asked any more. */
  lose(): void {
    if (!this.#complete && this.#have.count === 0) return;
    this.#empty();
    this.#tell();
  }

  #add(steps: readonly number[]): number[] {
    const added: number[] = [];
    let index = 0;
    for (const step of steps) {
      index += step;
      if (index >= this.pieceCount) {
        throw new ShoalError('source-lied', `piece ${index} of ${this.pieceCount} announced`);
      }
      if (this.#have.add(index)) added.push(index);
    }
    return added;
  }

  #empty(): void {
    this.#have = new Bitfield(this.pieceCount);
    this.#complete = false;
  }

  #tell(added?: readonly number[]): void {
    for (const listener of [...this.#listeners]) listener(added);
  }
}

function parseSnapshot(bytes: Uint8Array, pieceCount: number): Bitfield {
  try {
    return Bitfield.fromBytes(bytes, pieceCount);
  } catch (error) {
    throw new ShoalError('source-lied', 'a have map that does not fit its blob', { cause: error });
  }
}
