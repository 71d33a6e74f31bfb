import type { Model } from '../content/model.ts';
import type { NodeRecord, RecordPool } from './record.ts';
import type { PartialBlob } from './record-entry.ts';
import type { RecordHead } from './record-head.ts';

/** Another node, as its last record describes it. */
export class FleetNode {
  readonly peerId: string;
  readonly record: NodeRecord;
  #head: RecordHead;
  #headBytes: Uint8Array;
  #seenAt: number;

  constructor(fields: { head: RecordHead; headBytes: Uint8Array; record: NodeRecord; seenAt: number }) {
    this.peerId = fields.head.peerId;
    this.record = fields.record;
    this.#head = fields.head;
    this.#headBytes = fields.headBytes.slice();
    this.#seenAt = fields.seenAt;
  }

  get name(): string {
    return this.record.meta.name;
  }

  /** Multiaddrs, without the peer id. */
  get addresses(): readonly string[] {
    return this.record.meta.addresses;
  }

  /** `host:port`. */
  get lane(): string | undefined {
    return this.record.meta.lane;
  }

  get api(): string | undefined {
    return this.record.meta.api;
  }

  /** Its engines; one that tells of none is taken for one, of its own name. */
  get pools(): readonly RecordPool[] {
    return this.record.meta.pools ?? [{ id: this.name, ready: true }];
  }

  get freeBytes(): number {
    return this.#head.freeBytes;
  }

  /** Of the disk that holds its models, where it tells. */
  get totalBytes(): number | undefined {
    return this.#head.totalBytes;
  }

  get seq(): number {
    return this.#head.seq;
  }

  get beat(): number {
    return this.#head.beat;
  }

  get recordHash(): string {
    return this.#head.recordHash;
  }

  /** By its own clock, milliseconds since the epoch: to show and to compare clocks, never to trust. */
  get issuedAt(): number {
    return this.#head.issuedAt;
  }

  /** The signed head, as it came. */
  get headBytes(): Uint8Array {
    return this.#headBytes;
  }

  /** When its last beat was heard, by the monotonic clock. */
  get seenAt(): number {
    return this.#seenAt;
  }

  get modelCount(): number {
    return this.record.entries.modelCount;
  }

  *models(): IterableIterator<Model> {
    for (const { content } of this.record.entries) if (content.kind === 'model') yield content.model;
  }

  *partials(): IterableIterator<PartialBlob> {
    for (const { content } of this.record.entries) if (content.kind === 'partial') yield content.partial;
  }

  /** A later head of the same record. */
  refresh(head: RecordHead, headBytes: Uint8Array, seenAt: number): void {
    this.#head = head;
    this.#headBytes = headBytes.slice();
    this.#seenAt = Math.max(this.#seenAt, seenAt);
  }
}
