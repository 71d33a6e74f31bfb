import type { Blake3Engine } from '../content/blake3.ts';
import type { Fleet } from './fleet.ts';
import type { OwnRecord } from './own-record.ts';
import { decodeEntry, hashOf, type RecordEntry } from './record-entry.ts';

export interface KnownEntriesParts {
  readonly own: Pick<OwnRecord, 'findEntry'>;
  readonly fleet: Pick<Fleet, 'findEntry'>;
  readonly blake3: Blake3Engine;
}

/** Nodes of a fleet hold mostly the same: what is known here needs no second journey, check or place in memory. */
export class KnownEntries {
  readonly #parts: KnownEntriesParts;

  constructor(parts: KnownEntriesParts) {
    this.#parts = parts;
  }

  find(hash: string): RecordEntry | undefined {
    return this.#parts.own.findEntry(hash) ?? this.#parts.fleet.findEntry(hash);
  }

  /** The entry that these bytes are. @throws ShoalError `invalid` */
  get(bytes: Uint8Array): RecordEntry {
    const { blake3 } = this.#parts;
    return this.find(hashOf(bytes, blake3)) ?? decodeEntry(bytes, blake3);
  }
}
