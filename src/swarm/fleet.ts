import { EventEmitter } from 'node:events';
import type { Blake3Engine } from '../content/blake3.ts';
import type { Sha256 } from '../content/digest.ts';
import type { Model } from '../content/model.ts';
import type { Clock } from '../util/clock.ts';
import { ShoalError } from '../util/errors.ts';
import type { Log } from '../util/log.ts';
import type { Metrics } from '../util/metrics.ts';
import { EntryIndex } from './entry-index.ts';
import { type EntryChange, EntryList } from './entry-list.ts';
import { FleetNode } from './fleet-node.ts';
import { NoteOnce } from './note-once.ts';
import type { NodeRecord, RecordChange } from './record.ts';
import type { RecordEntry } from './record-entry.ts';
import { isLater, type RecordHead, type SignedHead } from './record-head.ts';

/** A record that nothing refreshed for so long is dropped: three heads may get lost. */
export const EXPIRY_MS = 90_000;
export const FLEET_MAX_NODES = 4096;
/** Of all records together, entries that several nodes hold counted once. */
export const FLEET_MAX_BYTES = 64 * 1024 * 1024;
const MAX_TOMBSTONES = 8192;

export interface Provider {
  readonly peerId: string;
  /** True when it holds the blob whole; its have map tells the rest. */
  readonly complete: boolean;
}

export interface ModelOffer {
  readonly peerId: string;
  readonly model: Model;
}

export interface FleetChange {
  readonly kind: 'joined' | 'changed' | 'left';
  readonly peerId: string;
  readonly name: string;
  readonly added: readonly Model[];
  /** Ids of models. */
  readonly removed: readonly string[];
  /** Blobs that this node holds, whole or in part, since this change. */
  readonly blobs: readonly Sha256[];
}

/** What a node says is new since a sequence number. */
export interface RecordDelta {
  readonly baseSeq: number;
  readonly meta?: RecordChange['meta'];
  readonly added: readonly RecordEntry[];
  /** Keys of entries. */
  readonly removed: readonly string[];
}

/** What a head is worth to us: it may need its record, refresh what we have, or say nothing new. */
export type HeadVerdict = 'unknown-record' | 'refreshed' | 'known' | 'old';

/**
 * What the other nodes have, by their signed records. A higher sequence number replaces a lower one; a record lives as
 * long as its owner's beat goes up; what has been seen is never believed again, even after it was dropped.
 */
export class Fleet extends EventEmitter<{ change: [FleetChange] }> {
  readonly #self: string;
  readonly #blake3: Blake3Engine;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #nodes = new Map<string, FleetNode>();
  readonly #index = new EntryIndex();
  readonly #tombstones = new Map<string, Pick<FleetNode, 'seq' | 'beat' | 'headBytes'>>();
  #sorted: readonly FleetNode[] | undefined;
  readonly #old = new NoteOnce();
  readonly #gauge: { set(value: number): void };

  constructor(options: { self: string }, parts: { blake3: Blake3Engine; clock: Clock; log: Log; metrics: Metrics }) {
    super();
    this.#self = options.self;
    this.#blake3 = parts.blake3;
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#gauge = parts.metrics.gauge('shoal_fleet_nodes', 'Other nodes whose record is fresh');
  }

  /** The other nodes, by name. */
  nodes(): readonly FleetNode[] {
    this.#sorted ??= [...this.#nodes.values()].sort(byName);
    return this.#sorted;
  }

  node(peerId: string): FleetNode | undefined {
    return this.#nodes.get(peerId);
  }

  /** The last signed head of a node whose record was dropped: what it says now must be later than that. */
  buriedHead(peerId: string): Uint8Array | undefined {
    return this.#tombstones.get(peerId)?.headBytes;
  }

  /** Who holds a blob; with `manifest` only those who describe it by that one. */
  providersOf(sha256: Sha256, manifest?: string): Provider[] {
    const providers = new Map<string, boolean>();
    for (const { entry, holders } of this.#index.withBlob(sha256)) {
      if (manifest !== undefined && !describes(entry, sha256, manifest)) continue;
      const complete = entry.content.kind === 'model';
      for (const peerId of holders) providers.set(peerId, complete || (providers.get(peerId) ?? false));
    }
    return Array.from(providers, ([peerId, complete]) => ({ peerId, complete }));
  }

  /** How large a blob is by the word of that node; undefined when it announces nothing of it. */
  blobSize(sha256: Sha256, peerId: string): number | undefined {
    for (const { entry, holders } of this.#index.withBlob(sha256)) {
      if (!holders.has(peerId)) continue;
      const { content } = entry;
      if (content.kind === 'partial') return content.partial.sizeBytes;
      return content.model.files.find((file) => file.sha256 === sha256)?.sizeBytes;
    }
    return undefined;
  }

  /** Who offers a model of that id; of that alias where nobody has the id. */
  offersOf(idOrAlias: string): ModelOffer[] {
    const offers: ModelOffer[] = [];
    for (const { entry, holders } of this.#index.withName(idOrAlias)) {
      if (entry.content.kind !== 'model') continue;
      for (const peerId of holders) offers.push({ peerId, model: entry.content.model });
    }
    const byId = offers.filter(({ model }) => model.id === idOrAlias);
    return byId.length > 0 ? byId : offers;
  }

  /** Every model of the other nodes, by id. */
  models(): Map<string, ModelOffer[]> {
    const models = new Map<string, ModelOffer[]>();
    for (const { entry, holders } of this.#index.all()) {
      if (entry.content.kind !== 'model') continue;
      const { model } = entry.content;
      const offers = models.get(model.id) ?? [];
      if (offers.length === 0) models.set(model.id, offers);
      for (const peerId of holders) offers.push({ peerId, model });
    }
    return models;
  }

  /** An entry that some node has announced, by its hash: the same bytes need no second journey. */
  findEntry(hash: string): RecordEntry | undefined {
    return this.#index.find(hash);
  }

  /**
   * Takes note of a head whose signature holds.
   * @param ageMs how long ago whoever told us saw it
   */
  hear({ head, bytes }: SignedHead, ageMs: number): HeadVerdict {
    if (head.peerId === this.#self || ageMs >= EXPIRY_MS) return 'known';
    const node = this.#nodes.get(head.peerId);
    const last = node ?? this.#tombstones.get(head.peerId);
    if (last !== undefined && !isLater(head, last)) {
      if (head.seq >= last.seq) return 'known';
      this.#noteOld(head, last.seq);
      return 'old';
    }
    // A node that has started anew mostly says what it said before.
    if (node?.recordHash === head.recordHash) {
      node.refresh(head, bytes, this.#clock.monotonic() - ageMs);
      return 'refreshed';
    }
    // The same sequence number with another content: its owner contradicts itself, so only the first counts.
    return node?.seq === head.seq ? 'old' : 'unknown-record';
  }

  /**
   * Replaces a node's record, once it is proved that it fits the head.
   * @throws ShoalError `invalid` when it does not, or the fleet's records grow too large
   */
  adopt(signed: SignedHead, record: NodeRecord, ageMs: number): boolean {
    const { head } = signed;
    if (head.peerId === this.#self) return false;
    if (record.hash(this.#blake3) !== head.recordHash) {
      throw new ShoalError('invalid', 'a record that is not the one its head names', { fields: { peer: head.peerId } });
    }
    const before = this.#nodes.get(head.peerId);
    const last = before ?? this.#tombstones.get(head.peerId);
    if (last !== undefined && !isLater(head, last)) return false;
    // Records that come at the same time bring the same entries, each its own.
    const shared = record.sharing((hash) => this.#index.find(hash));
    const change = shared.entries.since(before?.record.entries ?? EntryList.empty);
    this.#replace(signed, shared, change, ageMs);
    return true;
  }

  /**
   * Takes what is new in a node's record instead of the whole; looks at nothing else in it.
   * @returns false where that does not make the record that the head names
   * @throws ShoalError `invalid` when a record grows too large
   */
  amend(signed: SignedHead, { baseSeq, meta, added, removed }: RecordDelta): boolean {
    const { peerId, recordHash } = signed.head;
    const before = this.#nodes.get(peerId);
    if (before?.seq !== baseSeq || !isLater(signed.head, before)) return false;
    const fresh = new Map(added.map((entry) => [entry.key, entry]));
    const gone: RecordEntry[] = [];
    for (const key of new Set([...removed, ...fresh.keys()])) {
      const entry = this.#index.entryOf(peerId, key);
      if (entry === undefined) continue;
      if (fresh.get(key)?.hash === entry.hash) fresh.delete(key);
      else gone.push(entry);
    }
    const change = { gone, fresh: [...fresh.values()], ...(meta === undefined ? {} : { meta }) };
    const record = before.record.with(change);
    if (record.hash(this.#blake3) !== recordHash) return false;
    this.#replace(signed, record, change, 0);
    return true;
  }

  /** Drops the records that nothing refreshed for 90 s. */
  expire(): void {
    const deadline = this.#clock.monotonic() - EXPIRY_MS;
    for (const node of [...this.#nodes.values()]) {
      if (node.seenAt > deadline) continue;
      this.#nodes.delete(node.peerId);
      this.#bury(node);
      this.#log.info({ peer: node.peerId, name: node.name }, 'node left: nothing heard of it any more');
      this.#tell(node, { gone: [...node.record.entries], fresh: [] }, 'left');
    }
  }

  #replace({ head, bytes }: SignedHead, record: NodeRecord, change: EntryChange, ageMs: number): void {
    const before = this.#nodes.get(head.peerId);
    let newBytes = 0;
    for (const { hash, bytes } of change.fresh) if (this.#index.find(hash) === undefined) newBytes += bytes.length;
    if (before === undefined && this.#nodes.size >= FLEET_MAX_NODES) throw tooLarge(head.peerId);
    if (newBytes > 0 && this.#index.sizeBytes + newBytes > FLEET_MAX_BYTES) throw tooLarge(head.peerId);
    const node = new FleetNode({ head, headBytes: bytes, record, seenAt: this.#clock.monotonic() - ageMs });
    this.#nodes.set(head.peerId, node);
    this.#tombstones.delete(head.peerId);
    if (before === undefined) this.#log.info({ peer: node.peerId, name: node.name }, 'node joined');
    this.#tell(node, change, before === undefined ? 'joined' : 'changed');
  }

  #tell(node: FleetNode, { gone, fresh }: EntryChange, kind: FleetChange['kind']): void {
    const added: Model[] = [];
    const blobs = new Set<Sha256>();
    const keys = new Set<string>();
    for (const entry of fresh) {
      this.#index.hold(node.peerId, entry);
      keys.add(entry.key);
      if (entry.content.kind === 'partial') blobs.add(entry.content.partial.sha256);
      else {
        added.push(entry.content.model);
        for (const { sha256 } of entry.content.model.files) blobs.add(sha256);
      }
    }
    const removed: string[] = [];
    for (const entry of gone) {
      this.#index.release(node.peerId, entry);
      if (!keys.has(entry.key) && entry.content.kind === 'model') removed.push(entry.content.model.id);
    }
    this.#sorted = undefined;
    this.#gauge.set(this.#nodes.size);
    this.emit('change', { kind, peerId: node.peerId, name: node.name, added, removed, blobs: [...blobs] });
  }

  #bury({ peerId, seq, beat, headBytes }: FleetNode): void {
    this.#tombstones.set(peerId, { seq, beat, headBytes });
    const [oldest] = this.#tombstones.keys();
    if (this.#tombstones.size > MAX_TOMBSTONES && oldest !== undefined) this.#tombstones.delete(oldest);
  }

  #noteOld(head: RecordHead, known: number): void {
    if (!this.#old.isFirst(head.peerId)) return;
    this.#log.warn({ peer: head.peerId, seq: head.seq, known }, 'record refused: older than the one known');
  }
}

function byName(a: FleetNode, b: FleetNode): number {
  return a.name.localeCompare(b.name) || (a.peerId < b.peerId ? -1 : 1);
}

function describes({ content }: RecordEntry, sha256: Sha256, manifest: string): boolean {
  if (content.kind === 'partial') return content.partial.manifest === manifest;
  return content.model.files.some((file) => file.sha256 === sha256 && file.manifest === manifest);
}

function tooLarge(peerId: string): ShoalError {
  return new ShoalError('invalid', 'the records of the fleet have grown too large for one more', {
    fields: { peer: peerId },
  });
}
