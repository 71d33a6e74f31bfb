import { setTimeout as delay } from 'node:timers/promises';
import type { Sha256 } from '../content/digest.ts';
import { geometryOf } from '../content/piece-geometry.ts';
import { systemClock } from '../util/clock.ts';
import { codeOf, isAbort, messageOf } from '../util/errors.ts';
import type { Log } from '../util/log.ts';
import { type Availability, ReportedPieces } from './availability.ts';
import { HaveReader } from './have-client.ts';
import { HaveNews } from './have-news.ts';
import { HavePace } from './have-pace.ts';
import { HaveRounds } from './have-rounds.ts';
import { type HaveProvider, HaveWatcher, type HaveWatching } from './have-server.ts';
import type { Links } from './links.ts';
import { NoteOnce } from './note-once.ts';
import { HAVE_PROTOCOL } from './protocols.ts';

const RETRY_MS = 1_000;
const SWEEP_MS = 20_000;
const RETRY_LIAR_MS = 60_000;

/**
 * Who has which pieces, told and not asked: a node that fetches a blob watches the others that hold some of it, and gets
 * a snapshot and then every new piece within a quarter of a second, later while the machine is busy.
 */
export class HaveMaps implements AsyncDisposable {
  readonly #blobSize: (sha256: Sha256, peerId: string) => number | undefined;
  readonly #links: Links;
  readonly #log: Log;
  readonly #noted = new NoteOnce();
  readonly #watchers = new Set<HaveWatcher>();
  readonly #readers = new Map<string, HaveReader>();
  readonly #closing = new AbortController();
  readonly #shared: HaveWatching;

  constructor(
    options: { blobSize: (sha256: Sha256, peerId: string) => number | undefined },
    parts: { links: Links; log: Log },
  ) {
    this.#blobSize = options.blobSize;
    this.#links = parts.links;
    this.#log = parts.log;
    const { signal } = this.#closing;
    const pace = new HavePace({ peers: () => this.#watchers.size }, { clock: systemClock });
    const rounds = new HaveRounds({ signal }, { pace, clock: systemClock });
    this.#shared = { rounds, news: new HaveNews(), signal };
  }

  /** Answers for this node's own have maps. */
  serve(provider: HaveProvider): Promise<void> {
    return this.#links.handle(
      HAVE_PROTOCOL,
      async (stream, _peerId, closing) => {
        const watcher = new HaveWatcher(stream, provider, this.#shared);
        this.#watchers.add(watcher);
        try {
          await watcher.run(closing);
        } finally {
          this.#watchers.delete(watcher);
        }
      },
      { maxInboundStreams: 2 },
    );
  }

  /** This node has one more piece, verified and written. */
  announce(sha256: Sha256, index: number): void {
    for (const watcher of this.#watchers) watcher.add(sha256, index);
  }

  /** Anything else about a blob has changed: it is complete, gone, or begun anew. */
  changed(sha256: Sha256): void {
    for (const watcher of this.#watchers) watcher.reset(sha256);
  }

  /** What is installed has changed: whole blobs may have come or gone. */
  recheck(): void {
    for (const watcher of this.#watchers) watcher.recheck();
  }

  /**
   * What `peerId` has of a blob that its record names, from the first use on and as long as it is used: nothing until it
   * has answered and while it cannot be reached.
   */
  watch(sha256: Sha256, peerId: string): Availability {
    const sizeBytes = this.#blobSize(sha256, peerId);
    // It has just withdrawn the blob: a view that stays empty.
    if (sizeBytes === undefined) return new ReportedPieces(0, () => true);
    const { pieceCount } = geometryOf(sizeBytes);
    const known = this.#readers.get(peerId)?.find(sha256, pieceCount);
    if (known !== undefined) return known;
    const view = new ReportedPieces(pieceCount, (self) =>
      this.#reader(peerId).watch(sha256, self, this.#closing.signal),
    );
    view.use();
    return view;
  }

  /** Lets go of what nobody uses any more. */
  async run(signal: AbortSignal): Promise<void> {
    for (;;) {
      await delay(SWEEP_MS, undefined, { signal });
      for (const reader of this.#readers.values()) reader.sweep(this.#closing.signal);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new DOMException('the swarm is closing', 'AbortError'));
    return Promise.resolve();
  }

  #reader(peerId: string): HaveReader {
    const known = this.#readers.get(peerId);
    if (known !== undefined) return known;
    const reader = new HaveReader({ peerId }, { links: this.#links });
    this.#readers.set(peerId, reader);
    void this.#read(peerId, reader);
    return reader;
  }

  async #read(peerId: string, reader: HaveReader): Promise<void> {
    // The first view is added after this starts; let it.
    await Promise.resolve();
    for (;;) {
      const retryMs = await this.#readOnce(peerId, reader);
      if (reader.idle) break;
      try {
        await delay(retryMs, undefined, { signal: this.#closing.signal });
      } catch {
        break;
      }
    }
    this.#readers.delete(peerId);
  }

  /** How long to wait before it is worth another attempt. */
  async #readOnce(peerId: string, reader: HaveReader): Promise<number> {
    try {
      await reader.run(this.#closing.signal);
      return RETRY_MS;
    } catch (error) {
      this.#note(peerId, error);
      return codeOf(error) === 'source-lied' ? RETRY_LIAR_MS : RETRY_MS;
    }
  }

  #note(peerId: string, error: unknown): void {
    const fields = { peer: peerId, code: codeOf(error), reason: messageOf(error) };
    if (codeOf(error) === 'source-lied' && this.#noted.isFirst(peerId)) this.#log.warn(fields, 'have map refused');
    else if (!isAbort(error)) this.#log.debug(fields, 'no have maps from peer');
  }
}
