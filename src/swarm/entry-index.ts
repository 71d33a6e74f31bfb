import type { Sha256 } from '../content/digest.ts';
import type { RecordEntry } from './record-entry.ts';

export interface HeldEntry {
  readonly entry: RecordEntry;
  /** Peer ids. */
  readonly holders: ReadonlySet<string>;
}

interface Slot extends HeldEntry {
  readonly holders: Set<string>;
}

/**
 * Every entry of the fleet once, with who holds it, by blob and by name: nodes of a fleet hold mostly the same models,
 * and an entry costs more to keep than to name.
 */
export class EntryIndex {
  readonly #byHash = new Map<string, Slot>();
  readonly #byBlob = new Map<Sha256, Set<Slot>>();
  readonly #byName = new Map<string, Set<Slot>>();
  #sizeBytes = 0;

  /** Bytes of all entries, each counted once. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  find(hash: string): RecordEntry | undefined {
    return this.#byHash.get(hash)?.entry;
  }

  hold(peerId: string, entry: RecordEntry): void {
    let slot = this.#byHash.get(entry.hash);
    if (slot === undefined) {
      slot = { entry, holders: new Set() };
      this.#byHash.set(entry.hash, slot);
      this.#sizeBytes += entry.bytes.length;
      for (const blob of blobsOf(entry)) link(this.#byBlob, blob, slot);
      for (const name of namesOf(entry)) link(this.#byName, name, slot);
    }
    slot.holders.add(peerId);
  }

  release(peerId: string, entry: RecordEntry): void {
    const slot = this.#byHash.get(entry.hash);
    if (slot?.holders.delete(peerId) !== true || slot.holders.size > 0) return;
    this.#byHash.delete(entry.hash);
    this.#sizeBytes -= entry.bytes.length;
    for (const blob of blobsOf(entry)) unlink(this.#byBlob, blob, slot);
    for (const name of namesOf(entry)) unlink(this.#byName, name, slot);
  }

  withBlob(sha256: Sha256): Iterable<HeldEntry> {
    return this.#byBlob.get(sha256) ?? [];
  }

  /** By a model's id or one of its aliases. */
  withName(name: string): Iterable<HeldEntry> {
    return this.#byName.get(name) ?? [];
  }

  all(): Iterable<HeldEntry> {
    return this.#byHash.values();
  }
}

function blobsOf({ content }: RecordEntry): Iterable<Sha256> {
  return content.kind === 'partial'
    ? [content.partial.sha256]
    : new Set(content.model.files.map(({ sha256 }) => sha256));
}

function namesOf({ content }: RecordEntry): Iterable<string> {
  return content.kind === 'partial' ? [] : new Set([content.model.id, ...content.model.aliases]);
}

function link(index: Map<string, Set<Slot>>, key: string, slot: Slot): void {
  const slots = index.get(key);
  if (slots === undefined) index.set(key, new Set([slot]));
  else slots.add(slot);
}

function unlink(index: Map<string, Set<Slot>>, key: string, slot: Slot): void {
  const slots = index.get(key);
  slots?.delete(slot);
  if (slots?.size === 0) index.delete(key);
}
