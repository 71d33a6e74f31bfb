import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Ed25519PrivateKey } from '@libp2p/interface';
import type { Blake3Engine } from '../content/blake3.ts';
import type { Model } from '../content/model.ts';
import type { Clock } from '../util/clock.ts';
import { codeOf, messageOf } from '../util/errors.ts';
import type { Log } from '../util/log.ts';
import type { EntryChange } from './entry-list.ts';
import type { Fleet } from './fleet.ts';
import { NoteOnce } from './note-once.ts';
import {
  encodeMeta,
  NodeRecord,
  RECORD_MAX_BYTES,
  RECORD_MAX_ENTRIES,
  type RecordChange,
  type RecordMeta,
} from './record.ts';
import { modelEntry, modelKey, type PartialBlob, partialEntry, type RecordEntry, shareEntry } from './record-entry.ts';
import { type RecordHead, type SignedHead, signHead } from './record-head.ts';

export interface Publication {
  readonly signed: SignedHead;
  readonly record: NodeRecord;
  /** What is new since the sequence number before; absent when only the beat went up. */
  readonly change?: RecordChange & { readonly baseSeq: number };
}

/** Encoding and hashing so many takes some milliseconds. */
const ENTRIES_PER_TURN = 64;
const NO_CHANGE: EntryChange = { gone: [], fresh: [] };

/** This node's own record: what it holds now, and what it has signed last. */
export class OwnRecord {
  readonly #key: Ed25519PrivateKey;
  readonly #blake3: Blake3Engine;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #fleet: Pick<Fleet, 'findEntry'>;
  readonly #noted = new NoteOnce();
  readonly #modelEntries = new WeakMap<Model, RecordEntry>();
  #seq: number;
  #beat = 0;
  #disk: Pick<RecordHead, 'freeBytes' | 'totalBytes'> = { freeBytes: 0 };
  #meta: RecordMeta;
  /** As of the last publication. */
  #record: NodeRecord;
  /** Its entries by key. */
  readonly #entries = new Map<string, RecordEntry>();
  /** What is to be told next. */
  #pending: EntryChange | undefined;
  #metaChanged = false;
  /** The next publication gets a higher sequence number in any case. */
  #surpasses = false;
  #last: Publication | undefined;
  #publishing: Promise<Publication> | undefined;

  constructor(
    options: { privateKey: Ed25519PrivateKey; initialSeq: number; meta: RecordMeta },
    parts: { blake3: Blake3Engine; clock: Clock; log: Log; fleet: Pick<Fleet, 'findEntry'> },
  ) {
    this.#key = options.privateKey;
    this.#seq = options.initialSeq;
    this.#meta = options.meta;
    this.#record = NodeRecord.empty(options.meta);
    this.#blake3 = parts.blake3;
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#fleet = parts.fleet;
  }

  get meta(): RecordMeta {
    return this.#meta;
  }

  set disk({ freeBytes, totalBytes }: { readonly freeBytes: number; readonly totalBytes: number }) {
    const free = Math.max(0, Math.floor(freeBytes));
    this.#disk = { freeBytes: free, ...(totalBytes > 0 ? { totalBytes: Math.floor(totalBytes) } : {}) };
  }

  /** An entry of the last publication, by its hash. */
  findEntry(hash: string): RecordEntry | undefined {
    return this.#record.entries.find(hash);
  }

  /** Makes the entries of models that `update` will be told of, a few at a time: others get their turn in between. */
  async prepare(models: Iterable<Model>): Promise<void> {
    let count = 0;
    for (const model of models) {
      this.#entryOf(model);
      count += 1;
      if (count % ENTRIES_PER_TURN === 0) await nextTurn();
    }
  }

  /** Everything this node holds now; says whether that is news. */
  update(models: Iterable<Model>, partials: Iterable<PartialBlob>): boolean {
    const entries = new Map<string, RecordEntry>();
    let sizeBytes = this.#record.metaBytes.length;
    const add = (entry: RecordEntry | undefined): void => {
      if (entry === undefined || entries.has(entry.key)) return;
      sizeBytes += entry.bytes.length;
      if (entries.size < RECORD_MAX_ENTRIES && sizeBytes < RECORD_MAX_BYTES) entries.set(entry.key, entry);
      else if (this.#noted.isFirst('too many')) {
        this.#log.error(
          { models: entries.size, bytes: sizeBytes },
          'too many models to announce: the rest stays unknown to others',
        );
      }
    };
    for (const model of models) add(this.#entryOf(model));
    for (const partial of partials) add(partialEntry(partial, this.#blake3));
    this.#pending = changeBetween(this.#entries, entries);
    return this.#pending !== undefined;
  }

  /**
   * The same for models that came since the last publication, where nothing else did: looks only at these.
   * @returns false where only a look at everything can tell
   */
  add(models: Iterable<Model>): boolean {
    if (this.#pending !== undefined) return false;
    const fresh = new Map<string, RecordEntry>();
    let { sizeBytes } = this.#record;
    for (const model of models) {
      const entry = this.#entryOf(model);
      const key = modelKey(model.id);
      // What came before in this list is out of date, and what is announced may be as well.
      fresh.delete(key);
      if (entry === undefined && this.#entries.has(key)) return false;
      if (entry === undefined || this.#entries.get(key)?.hash === entry.hash) continue;
      fresh.set(key, entry);
      sizeBytes += entry.bytes.length;
    }
    if (this.#entries.size + fresh.size >= RECORD_MAX_ENTRIES || sizeBytes >= RECORD_MAX_BYTES) return false;
    const gone = Array.from(fresh.keys(), (key) => this.#entries.get(key)).filter((entry) => entry !== undefined);
    if (fresh.size > 0) this.#pending = { gone, fresh: [...fresh.values()] };
    return true;
  }

  /** Something that the last publication does not say. */
  get hasNews(): boolean {
    return this.#pending !== undefined || this.#metaChanged || this.#surpasses;
  }

  /** Makes the next publication a later one than that number; says whether it would not have been. */
  surpass(seq: number): boolean {
    if (seq <= this.#seq) return false;
    this.#seq = seq;
    this.#surpasses = true;
    return true;
  }

  /** How many entries were published last. */
  get size(): number {
    return this.#record.entries.size;
  }

  /** Says whether that is news. */
  setMeta(patch: Partial<RecordMeta>): boolean {
    const meta = { ...this.#meta, ...patch };
    if (Buffer.from(encodeMeta(meta)).equals(encodeMeta(this.#meta))) return false;
    this.#meta = meta;
    this.#metaChanged = true;
    return true;
  }

  /** Signs what is there now: with a higher sequence number if something changed, else with a higher beat. */
  publish(): Promise<Publication> {
    this.#publishing ??= this.#publish().finally(() => {
      this.#publishing = undefined;
    });
    return this.#publishing;
  }

  /** What was signed last; signs first when there is nothing yet. */
  async published(): Promise<Publication> {
    return this.#publishing ?? this.#last ?? this.publish();
  }

  async #publish(): Promise<Publication> {
    const { gone, fresh } = this.#pending ?? NO_CHANGE;
    const meta = this.#metaChanged ? { meta: this.#meta, bytes: encodeMeta(this.#meta) } : undefined;
    const changed = this.hasNews;
    const change = { baseSeq: this.#seq, gone, fresh, ...(meta === undefined ? {} : { meta }) };
    const record = changed ? this.#record.with(change) : this.#record;
    for (const { key } of gone) this.#entries.delete(key);
    for (const entry of fresh) this.#entries.set(entry.key, entry);
    this.#pending = undefined;
    this.#metaChanged = false;
    this.#surpasses = false;
    this.#record = record;
    if (changed) this.#seq += 1;
    this.#beat += 1;
    const signed = await signHead(
      {
        seq: this.#seq,
        beat: this.#beat,
        recordHash: record.hash(this.#blake3),
        ...this.#disk,
        issuedAt: this.#clock.now(),
      },
      this.#key,
    );
    this.#last = { signed, record, ...(changed ? { change } : {}) };
    return this.#last;
  }

  #entryOf(model: Model): RecordEntry | undefined {
    const known = this.#modelEntries.get(model);
    if (known !== undefined) return known;
    try {
      const made = modelEntry(model, this.#blake3);
      const known = this.#fleet.findEntry(made.hash);
      const entry = known === undefined ? made : shareEntry(known, made);
      this.#modelEntries.set(model, entry);
      return entry;
    } catch (error) {
      if (codeOf(error) !== 'invalid') throw error;
      if (this.#noted.isFirst(model.id))
        this.#log.error({ model: model.id, reason: messageOf(error) }, 'model not announced');
      return undefined;
    }
  }
}

function changeBetween(
  before: ReadonlyMap<string, RecordEntry>,
  after: ReadonlyMap<string, RecordEntry>,
): EntryChange | undefined {
  const gone: RecordEntry[] = [];
  const fresh: RecordEntry[] = [];
  for (const entry of after.values()) if (before.get(entry.key)?.hash !== entry.hash) fresh.push(entry);
  for (const entry of before.values()) if (after.get(entry.key)?.hash !== entry.hash) gone.push(entry);
  return gone.length > 0 || fresh.length > 0 ? { gone, fresh } : undefined;
}
