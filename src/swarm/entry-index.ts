import type { Sha256 } from '../content/digest.ts';
import { MultiMap } from '../util/multi-map.ts';
import { modelKey, type RecordEntry } from './record-entry.ts';

export interface HeldEntry {
  readonly entry: RecordEntry;
  /** Peer ids. */
  readonly holders: ReadonlySet<string>;
}

interface Slot extends HeldEntry {
  readonly holders: Set<string>;
}

/**
 * Every entry of the fleet once, with who holds it, by key, by blob and by alias: nodes of a fleet hold mostly the same
 * models, and an entry costs more to keep than to name.
 */
export class EntryIndex {
  readonly #byHash = new Map<string, Slot>();
  readonly #byKey = new MultiMap<string, Slot>();
  readonly #byBlob = new MultiMap<string, Slot>();
  readonly #byAlias = new MultiMap<string, Slot>();
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
    for (const { entry, holders } of this.#byKey.of(key)) if (holders.has(peerId)) return entry;
    return undefined;
  }

  hold(peerId: string, entry: RecordEntry): void {
    let slot = this.#byHash.get(entry.hash);
    if (slot === undefined) {
      slot = { entry, holders: new Set() };
      this.#byHash.set(entry.hash, slot);
      this.#sizeBytes += entry.bytes.length;
      this.#byKey.add(entry.key, slot);
      for (const blob of blobsOf(entry)) this.#byBlob.add(blob, slot);
      for (const alias of aliasesOf(entry)) this.#byAlias.add(alias, slot);
    }
    slot.holders.add(peerId);
  }

  release(peerId: string, { hash }: RecordEntry): void {
    const slot = this.#byHash.get(hash);
    if (slot?.holders.delete(peerId) !== true || slot.holders.size > 0) return;
    // What was linked, and not what the caller holds to be equal.
    const { entry } = slot;
    this.#byHash.delete(hash);
    this.#sizeBytes -= entry.bytes.length;
    this.#byKey.delete(entry.key, slot);
    for (const blob of blobsOf(entry)) this.#byBlob.delete(blob, slot);
    for (const alias of aliasesOf(entry)) this.#byAlias.delete(alias, slot);
  }

  withBlob(sha256: Sha256): Iterable<HeldEntry> {
    return this.#byBlob.of(sha256);
  }

  /** By a model's id or one of its aliases. */
  withName(name: string): Iterable<HeldEntry> {
    return new Set([...this.#byKey.of(modelKey(name)), ...this.#byAlias.of(name)]);
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
