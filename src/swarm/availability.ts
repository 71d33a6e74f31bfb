import { Bitfield } from '../content/bitfield.ts';
import { ShoalError } from '../util/errors.ts';
import type { HaveReport } from './wire/exchange.js';

/** Which pieces of one blob one peer has, as it says; live until it is closed. */
export interface Availability {
  readonly complete: boolean;
  /** Pieces. */
  readonly count: number;
  has(index: number): boolean;
  /** Returns what ends it. */
  onChange(listener: () => void): () => void;
  /** Ends the watch. */
  close(): void;
}

/** What a peer reported of a blob so far, checked against the blob's number of pieces. */
export class ReportedPieces implements Availability {
  readonly pieceCount: number;
  readonly #onClose: () => void;
  readonly #listeners = new Set<() => void>();
  #have: Bitfield;
  #complete = false;

  constructor(pieceCount: number, onClose: () => void) {
    this.pieceCount = pieceCount;
    this.#have = new Bitfield(pieceCount);
    this.#onClose = onClose;
  }

  get complete(): boolean {
    return this.#complete || this.#have.complete;
  }

  get count(): number {
    return this.#complete ? this.pieceCount : this.#have.count;
  }

  has(index: number): boolean {
    return this.#complete ? index >= 0 && index < this.pieceCount : this.#have.has(index);
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#listeners.clear();
    this.#onClose();
  }

  /** @throws ShoalError `source-lied` for pieces that the blob does not have */
  report({ snapshot, delta, complete, gone }: HaveReport): void {
    if (snapshot !== undefined) {
      this.#have = parseSnapshot(snapshot, this.pieceCount);
      this.#complete = false;
    } else if (delta !== undefined) this.#add(delta.steps);
    else if (complete === true) this.#complete = true;
    else if (gone === true) this.#empty();
    this.#tell();
  }

  /** The peer cannot be asked any more. */
  lose(): void {
    this.#empty();
    this.#tell();
  }

  #add(steps: readonly number[]): void {
    let index = 0;
    for (const step of steps) {
      index += step;
      if (index >= this.pieceCount)
        throw new ShoalError('source-lied', `piece ${index} of ${this.pieceCount} announced`);
      this.#have.add(index);
    }
  }

  #empty(): void {
    this.#have = new Bitfield(this.pieceCount);
    this.#complete = false;
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}

function parseSnapshot(bytes: Uint8Array, pieceCount: number): Bitfield {
  try {
    return Bitfield.fromBytes(bytes, pieceCount);
  } catch (error) {
    throw new ShoalError('source-lied', 'a have map that does not fit its blob', { cause: error });
  }
}
