import type { Sha256 } from '../content/digest.ts';
import { modelKey, type RecordEntry } from './record-entry.ts';

export interface HeldEntry {
  readonly entry: RecordEntry;
  /** Peer ids. */
  readonly holders: ReadonlySet<string>;
}

interface Slot extends HeldEntry {
  readonly holders: Set<string>;
}

/** Hardly any key leads to two entries, and a set for each would take more than the entries do. */
type Index = Map<string, Slot | Set<Slot>>;

/**
 * Every entry of the fleet once, with who holds it, by key, by blob and by alias: nodes of a fleet hold mostly the same
 * models, and an entry costs more to keep than to name.
 */
export class EntryIndex {
  readonly #byHash = new Map<string, Slot>();
  readonly #byKey: Index = new Map();
  readonly #byBlob: Index = new Map();
  readonly #byAlias: Index = new Map();
  #sizeBytes = 0;

  /** Bytes of all entries, each counted once. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  find(hash: string): RecordEntry | undefined {
    return this.#byHash.get(hash)?.entry;
  }

  /** What a node says under that key. */
  entryOf(peerId: string, key: string): RecordEntry | undefined {
    for (const { entry, holders } of slotsAt(this.#byKey, key)) if (holders.has(peerId)) return entry;
    return undefined;
  }

  hold(peerId: string, entry: RecordEntry): void {
    let slot = this.#byHash.get(entry.hash);
    if (slot === undefined) {
      slot = { entry, holders: new Set() };
      this.#byHash.set(entry.hash, slot);
      this.#sizeBytes += entry.bytes.length;
      link(this.#byKey, entry.key, slot);
      for (const blob of blobsOf(entry)) link(this.#byBlob, blob, slot);
      for (const alias of aliasesOf(entry)) link(this.#byAlias, alias, slot);
    }
    slot.holders.add(peerId);
  }

  release(peerId: string, entry: RecordEntry): void {
    const slot = this.#byHash.get(entry.hash);
    if (slot?.holders.delete(peerId) !== true || slot.holders.size > 0) return;
    this.#byHash.delete(entry.hash);
    this.#sizeBytes -= entry.bytes.length;
    unlink(this.#byKey, entry.key, slot);
    for (const blob of blobsOf(entry)) unlink(this.#byBlob, blob, slot);
    for (const alias of aliasesOf(entry)) unlink(this.#byAlias, alias, slot);
  }

  withBlob(sha256: Sha256): Iterable<HeldEntry> {
    return slotsAt(this.#byBlob, sha256);
  }

  /** By a model's id or one of its aliases. */
  withName(name: string): Iterable<HeldEntry> {
    return new Set([...slotsAt(this.#byKey, modelKey(name)), ...slotsAt(this.#byAlias, name)]);
  }

  all(): Iterable<HeldEntry> {
    return this.#byHash.values();
  }
}

function blobsOf({ content }: RecordEntry): Iterable<Sha256> {
  if (content.kind === 'partial') return [content.partial.sha256];
  return new Set(content.model.files.map(({ sha256 }) => sha256));
}

function aliasesOf({ content }: RecordEntry): Iterable<string> {
  return content.kind === 'partial' ? [] : content.model.aliases;
}

function slotsAt(index: Index, key: string): Iterable<Slot> {
  const found = index.get(key);
  return found === undefined ? [] : found instanceof Set ? found : [found];
}

function link(index: Index, key: string, slot: Slot): void {
  const found = index.get(key);
  if (found === undefined) index.set(key, slot);
  else if (found instanceof Set) found.add(slot);
  else if (found !== slot) index.set(key, new Set([found, slot]));
}

function unlink(index: Index, key: string, slot: Slot): void {
  const found = index.get(key);
  if (found === slot) index.delete(key);
  if (!(found instanceof Set)) return;
  found.delete(slot);
  if (found.size === 0) index.delete(key);
}
