import { setTimeout as delay } from 'node:timers/promises';
import { type GossipSub, type Message, TopicValidatorResult } from '@libp2p/gossipsub';
import type { PeerId } from '@libp2p/interface';
import type { Blake3Engine } from '../content/blake3.ts';
import type { Model } from '../content/model.ts';
import type { Clock } from '../util/clock.ts';
import { codeOf, messageOf, ShoalError } from '../util/errors.ts';
import type { Log } from '../util/log.ts';
import type { Metrics } from '../util/metrics.ts';
import { jittered, type Random } from '../util/random.ts';
import { Wake } from '../util/wake.ts';
import { AnnouncePace } from './announce-pace.ts';
import type { Fleet } from './fleet.ts';
import { HeadSync } from './head-sync.ts';
import { KnownEntries } from './known-entries.ts';
import type { Links } from './links.ts';
import { NoteOnce } from './note-once.ts';
import type { OwnRecord, Publication } from './own-record.ts';
import { DELTA_MAX_BYTES, RECORD_PROTOCOL, RECORDS_TOPIC } from './protocols.ts';
import { decodeMeta, type RecordMeta } from './record.ts';
import type { PartialBlob } from './record-entry.ts';
import { type SignedRecord, serveRecord } from './record-exchange.ts';
import { type SignedHead, verifyHead } from './record-head.ts';
import { peerIdText, RecordPuller } from './record-puller.ts';
import { decodeText, encodeText } from './text.ts';
import { type DeltaMessage, GossipMessage } from './wire/gossip.js';

const BEAT_MS = 30_000;
const EXPIRY_CHECK_MS = 1_000;
/** News that came between a peer's first sync and its place in the gossip would wait for the next beat. */
const BEAT_AFTER_JOIN_MS = 1_500;
/** For what is here to be looked at: longer, and the node does without. */
const FIRST_LOOK_MS = 4_000;
const MAX_DELTA_ENTRIES = 4096;
const KEY_MAX_BYTES = 1100;

/**
 * Keeps this node's record known and the others' up to date: changes as deltas at once, a signed head every 30 s, all
 * heads when two nodes meet, and whole records on request.
 */
export class CatalogGossip {
  readonly #beatMs: number;
  readonly #own: OwnRecord;
  readonly #fleet: Fleet;
  readonly #links: Links;
  readonly #pubsub: GossipSub;
  readonly #log: Log;
  readonly #random: Random;
  readonly #noted = new NoteOnce();
  readonly #entries: KnownEntries;
  readonly #puller: RecordPuller;
  readonly #sync: HeadSync;
  readonly #wake = new Wake();
  readonly #messages: { inc(labels: { kind: string }): void };
  #nextBeatAt = 0;
  readonly #pace = new AnnouncePace();
  #held: { readonly models: Iterable<Model>; readonly partials: Iterable<PartialBlob> } | undefined;
  /** What came since the last look, unless something else happened, too. */
  #onlyNew: Model[] | undefined = [];
  #sending: Promise<void> | undefined;
  #unsent: (() => void)[] = [];
  #signal: AbortSignal = AbortSignal.abort();

  constructor(
    options: { beatMs?: number },
    parts: {
      own: OwnRecord;
      fleet: Fleet;
      links: Links;
      pubsub: GossipSub;
      blake3: Blake3Engine;
      log: Log;
      metrics: Metrics;
      random: Random;
      clock: Clock;
    },
  ) {
    this.#beatMs = options.beatMs ?? BEAT_MS;
    this.#own = parts.own;
    this.#fleet = parts.fleet;
    this.#links = parts.links;
    this.#pubsub = parts.pubsub;
    this.#log = parts.log;
    this.#random = parts.random;
    this.#entries = new KnownEntries(parts);
    this.#puller = new RecordPuller({ ...parts, entries: this.#entries, noted: this.#noted });
    this.#sync = new HeadSync({
      ...parts,
      noted: this.#noted,
      hear: (head, teller, ageMs) => this.#hear(head, teller, ageMs),
      onSurpassed: () => {
        this.#pace.hurry(performance.now());
        this.#wake.notify();
      },
    });
    this.#messages = parts.metrics.counter('shoal_gossip_messages_total', 'Gossip messages, by what became of them', [
      'kind',
    ]);
  }

  /**
   * Everything this node holds, verified; announced within 100 ms if it is news. Both are looked at when that is done.
   * @param onlyNew models that nobody waits for, where these are all the news: while more and more of them come, they are
   * announced some seconds later, together
   */
  update(models: Iterable<Model>, partials: Iterable<PartialBlob>, onlyNew?: readonly Model[]): void {
    const now = performance.now();
    this.#held = { models, partials };
    if (onlyNew === undefined) {
      this.#onlyNew = undefined;
      this.#pace.hurry(now);
    } else {
      for (const model of onlyNew) this.#onlyNew?.push(model);
      this.#pace.add(onlyNew.length, now);
    }
    this.#wake.notify();
  }

  /** Name, addresses, lane and API of this node. */
  setMeta(patch: Partial<RecordMeta>): void {
    if (!this.#own.setMeta(patch)) return;
    this.#pace.hurry(performance.now());
    this.#wake.notify();
  }

  /** Resolves when everything that `update` was told of before has been sent. */
  async flushed(): Promise<void> {
    if (this.#pace.dueMs < Infinity) await new Promise<void>((resolve) => this.#unsent.push(resolve));
    else await this.#sending;
  }

  /** Goes out with the next head. */
  setDisk(disk: { readonly freeBytes: number; readonly totalBytes: number }): void {
    this.#own.disk = disk;
  }

  /**
   * @param firstLook ends when `update` has been told what is here. It is announced as a whole then, mostly what the others
   * still believe, and most of what they have is known by its hash: a start costs nobody ten thousand entries.
   */
  async run(signal: AbortSignal, firstLook?: Promise<unknown>): Promise<void> {
    this.#signal = signal;
    const late = { signal, ref: false };
    if (firstLook !== undefined) await Promise.race([firstLook, delay(FIRST_LOOK_MS, undefined, late)]);
    await this.#own.prepare(this.#held?.models ?? []);
    this.#look();
    await this.#links.handle(
      RECORD_PROTOCOL,
      (stream, _peerId, closing) => serveRecord(stream, (peerId) => this.#find(peerId), closing),
      { maxInboundStreams: 8 },
    );
    this.#pubsub.topicValidators.set(RECORDS_TOPIC, (peer, message) => this.#validate(peer, message));
    this.#pubsub.subscribe(RECORDS_TOPIC);
    const stopSync = await this.#sync.start(signal, () => this.#beatWithin(BEAT_AFTER_JOIN_MS));
    try {
      for (;;) {
        if (performance.now() >= Math.min(this.#pace.dueMs, this.#nextBeatAt)) {
          this.#sending = this.#publish();
          await this.#sending;
        }
        this.#fleet.expire();
        const untilNext = Math.max(0, Math.min(this.#pace.dueMs, this.#nextBeatAt) - performance.now());
        await this.#wake.wait(Math.min(untilNext, EXPIRY_CHECK_MS), signal);
      }
    } finally {
      stopSync();
      this.#pubsub.unsubscribe(RECORDS_TOPIC);
      this.#pubsub.topicValidators.delete(RECORDS_TOPIC);
    }
  }

  #beatWithin(ms: number): void {
    const at = performance.now() + jittered(ms, 0.3, this.#random);
    this.#nextBeatAt = Math.min(this.#nextBeatAt, at);
  }

  async #publish(): Promise<void> {
    const waiting = this.#unsent.splice(0);
    this.#look();
    const { hasNews } = this.#own;
    const now = performance.now();
    if (hasNews) this.#pace.announced(this.#own.size, now);
    else this.#pace.nothing();
    if (hasNews || now >= this.#nextBeatAt) {
      this.#nextBeatAt = now + jittered(this.#beatMs, 0.1, this.#random);
      await this.#send();
    }
    for (const resolve of waiting) resolve();
  }

  #look(): void {
    const isSeen = this.#onlyNew !== undefined && this.#own.add(this.#onlyNew);
    if (!isSeen && this.#held !== undefined) this.#own.update(this.#held.models, this.#held.partials);
    this.#held = undefined;
    this.#onlyNew = [];
  }

  async #send(): Promise<void> {
    const publication = await this.#own.publish();
    // It may have been under way already, for somebody who asked, and not have known the last of it.
    if (this.#own.hasNews) this.#pace.hurry(performance.now());
    try {
      await this.#pubsub.publish(RECORDS_TOPIC, encodePublication(publication));
    } catch (error) {
      this.#log.debug({ reason: messageOf(error) }, 'gossip not sent');
    }
  }

  async #validate(peer: PeerId, message: Message): Promise<TopicValidatorResult> {
    const teller = peer.toString();
    try {
      const { head, delta } = decodeGossip(message.data);
      return this.#hear(await verifyHead(head), teller, 0, delta);
    } catch (error) {
      this.#messages.inc({ kind: 'refused' });
      if (this.#noted.isFirst(`gossip ${teller}`)) {
        this.#log.warn({ peer: teller, code: codeOf(error), reason: messageOf(error) }, 'gossip refused');
      }
      return TopicValidatorResult.Reject;
    }
  }

  #hear(signed: SignedHead, teller: string, ageMs: number, delta?: DeltaMessage): TopicValidatorResult {
    const { peerId } = signed.head;
    const verdict = this.#fleet.hear(signed, ageMs);
    this.#messages.inc({ kind: verdict });
    switch (verdict) {
      case 'refreshed':
        return TopicValidatorResult.Accept;
      case 'known':
      case 'old':
        return TopicValidatorResult.Ignore;
      case 'unknown-record': {
        const applied = delta !== undefined && this.#applyDelta(signed, delta);
        if (!applied) this.#puller.pull(peerId, teller, ageMs, this.#signal);
        return TopicValidatorResult.Accept;
      }
    }
  }

  #applyDelta(signed: SignedHead, delta: DeltaMessage): boolean {
    const { baseSeq } = delta;
    // A full decode of what cannot be used would be wasted.
    if (this.#fleet.node(signed.head.peerId)?.seq !== baseSeq) return false;
    const metaBytes = delta.meta?.slice();
    const meta = metaBytes === undefined ? {} : { meta: { meta: decodeMeta(metaBytes), bytes: metaBytes } };
    const added = delta.added.map((bytes) => this.#entries.get(bytes));
    const removed = delta.removed.map((key) => decodeText(key, KEY_MAX_BYTES));
    return this.#fleet.amend(signed, { baseSeq, added, removed, ...meta });
  }

  async #find(peerIdBytes: Uint8Array): Promise<SignedRecord | undefined> {
    const peerId = peerIdText(peerIdBytes);
    if (peerId === this.#links.peerId) {
      const { signed, record } = await this.#own.published();
      return { head: signed.bytes, record };
    }
    const node = this.#fleet.node(peerId);
    return node === undefined ? undefined : { head: node.headBytes, record: node.record };
  }
}

function encodePublication({ signed, change }: Publication): Uint8Array {
  const head = Uint8Array.from(signed.bytes);
  if (change === undefined) return GossipMessage.encode({ head });
  const keys = new Set(change.fresh.map(({ key }) => key));
  const gone = change.gone.filter(({ key }) => !keys.has(key));
  if (change.fresh.length > MAX_DELTA_ENTRIES || gone.length > MAX_DELTA_ENTRIES) return GossipMessage.encode({ head });
  const added = change.fresh.map(({ bytes }) => Uint8Array.from(bytes));
  const removed = gone.map(({ key }) => encodeText(key));
  const meta = change.meta === undefined ? {} : { meta: Uint8Array.from(change.meta.bytes) };
  const bytes = [...added, ...removed].reduce((sum, part) => sum + part.length, 0);
  if (bytes > DELTA_MAX_BYTES) return GossipMessage.encode({ head });
  return GossipMessage.encode({ head, delta: { baseSeq: change.baseSeq, added, removed, ...meta } });
}

function decodeGossip(bytes: Uint8Array): GossipMessage {
  try {
    return GossipMessage.decode(bytes, { limits: { delta: { added: MAX_DELTA_ENTRIES, removed: MAX_DELTA_ENTRIES } } });
  } catch (error) {
    throw new ShoalError('invalid', 'gossip that cannot be decoded', { cause: error });
  }
}
