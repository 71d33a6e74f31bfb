import { ShoalError } from '../util/errors.ts';
import type { RecordEntry } from './record-entry.ts';

const HASH_BYTES = 32;

/** What leads from one list to the next: entries of the old one that are not in the new one, and the reverse. */
export interface EntryChange {
  readonly gone: readonly RecordEntry[];
  readonly fresh: readonly RecordEntry[];
}

/**
 * Entries sorted by hash, never changed. A change copies pointers and hashes in a few long runs and looks only at the
 * entries that it is about, so that one model among ten thousand costs as little as one among ten.
 */
export class EntryList implements Iterable<RecordEntry> {
  static readonly empty = new EntryList({ sorted: [], hashes: new Uint8Array(0), sizeBytes: 0, modelCount: 0 });

  /** 32 bytes for each entry, in their order. */
  readonly hashes: Uint8Array;
  /** Of all entries, as they travel. */
  readonly sizeBytes: number;
  readonly modelCount: number;
  readonly #sorted: readonly RecordEntry[];

  private constructor(fields: Pick<EntryList, 'hashes' | 'sizeBytes' | 'modelCount'> & { sorted: RecordEntry[] }) {
    this.#sorted = fields.sorted;
    this.hashes = fields.hashes;
    this.sizeBytes = fields.sizeBytes;
    this.modelCount = fields.modelCount;
  }

  /** @throws ShoalError `invalid` with a key twice */
  static of(entries: Iterable<RecordEntry>): EntryList {
    const fresh = [...entries];
    const keys = new Set<string>();
    for (const { key } of fresh) {
      if (keys.has(key)) throw new ShoalError('invalid', `a record names ${key.slice(0, 200)} twice`);
      keys.add(key);
    }
    return EntryList.empty.with({ gone: [], fresh });
  }

  get size(): number {
    return this.#sorted.length;
  }

  [Symbol.iterator](): IterableIterator<RecordEntry> {
    return this.#sorted.values();
  }

  /** By its place in the order of hashes. */
  at(index: number): RecordEntry | undefined {
    return this.#sorted[index];
  }

  /** By its hash. */
  find(hash: string): RecordEntry | undefined {
    const entry = this.#sorted[this.#placeOf(hash, 0)];
    return entry?.hash === hash ? entry : undefined;
  }

  /**
   * @param change what goes must be here, and what comes must not
   * @throws ShoalError `internal` where that is not so
   */
  with({ gone, fresh }: EntryChange): EntryList {
    const edits = [
      ...gone.map((entry) => ({ entry, hash: entry.hash, comes: false })),
      ...fresh.map((entry) => ({ entry, hash: entry.hash, comes: true })),
    ].sort((a, b) => (a.hash < b.hash ? -1 : 1));
    const places = this.#placesOf(edits);
    const sorted: RecordEntry[] = [];
    const hashes = Buffer.alloc(HASH_BYTES * (this.size + fresh.length - gone.length));
    let { sizeBytes, modelCount } = this;
    let from = 0;
    const keepUntil = (to = this.size): void => {
      hashes.set(this.hashes.subarray(HASH_BYTES * from, HASH_BYTES * to), HASH_BYTES * sorted.length);
      for (const entry of this.#sorted.slice(from, to)) sorted.push(entry);
      from = to;
    };
    for (const [at, { entry, hash, comes }] of edits.entries()) {
      keepUntil(places[at]);
      if (comes) hashes.write(hash, HASH_BYTES * sorted.push(entry) - HASH_BYTES, 'hex');
      else from += 1;
      sizeBytes += comes ? entry.bytes.length : -entry.bytes.length;
      if (entry.content.kind === 'model') modelCount += comes ? 1 : -1;
    }
    keepUntil();
    return new EntryList({ sorted, hashes, sizeBytes, modelCount });
  }

  /** The same list over entries that are kept elsewhere, where there is an equal one. */
  sharing(kept: (hash: string) => RecordEntry | undefined): EntryList {
    const sorted = this.#sorted.map((entry) => kept(entry.hash) ?? entry);
    return new EntryList({ sorted, hashes: this.hashes, sizeBytes: this.sizeBytes, modelCount: this.modelCount });
  }

  /** What leads from `before` to this one; entries that both share are compared by identity first, which costs no look at their hashes. */
  since(before: EntryList): EntryChange {
    const gone: RecordEntry[] = [];
    const fresh: RecordEntry[] = [];
    const [olds, news] = [before.#sorted, this.#sorted];
    for (let old = 0, now = 0; old < olds.length || now < news.length; ) {
      const [a, b] = [olds[old], news[now]];
      if (a === b || a?.hash === b?.hash) {
        old += 1;
        now += 1;
      } else if (a !== undefined && (b === undefined || a.hash < b.hash)) {
        gone.push(a);
        old += 1;
      } else if (b !== undefined) {
        fresh.push(b);
        now += 1;
      }
    }
    return { gone, fresh };
  }

  /** Of sorted edits; one that cannot be made would take a neighbour with it. */
  #placesOf(edits: readonly { readonly hash: string; readonly comes: boolean }[]): number[] {
    let low = 0;
    return edits.map(({ hash, comes }) => {
      low = this.#placeOf(hash, low);
      if ((this.#sorted[low]?.hash === hash) === comes)
        throw new ShoalError('internal', `an entry ${comes ? 'comes that is here' : 'goes that is not here'}`);
      return low;
    });
  }

  /** Where the hash is or would be, from `low` on. */
  #placeOf(hash: string, low: number): number {
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#sorted[middle]?.hash ?? '') < hash) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
