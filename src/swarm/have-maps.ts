import { setTimeout as delay } from 'node:timers/promises';
import type { Sha256 } from '../content/digest.ts';
import { codeOf, isAbort, messageOf } from '../util/errors.ts';
import type { Log } from '../util/log.ts';
import type { Availability } from './availability.ts';
import { HaveReader } from './have-client.ts';
import { type HaveProvider, HaveWatcher } from './have-server.ts';
import type { Links } from './links.ts';
import { NoteOnce } from './note-once.ts';
import { HAVE_PROTOCOL } from './protocols.ts';

const RETRY_MS = 1_000;
const RETRY_LIAR_MS = 60_000;

/**
 * Who has which pieces, told and not asked: a node that fetches a blob watches the others that hold some of it, and gets
 * a snapshot and then every new piece within 100 ms.
 */
export class HaveMaps implements AsyncDisposable {
  readonly #links: Links;
  readonly #log: Log;
  readonly #noted = new NoteOnce();
  readonly #watchers = new Set<HaveWatcher>();
  readonly #readers = new Map<string, HaveReader>();
  readonly #closing = new AbortController();

  constructor(parts: { links: Links; log: Log }) {
    this.#links = parts.links;
    this.#log = parts.log;
  }

  /** Answers for this node's own have maps. */
  serve(provider: HaveProvider): Promise<void> {
    return this.#links.handle(
      HAVE_PROTOCOL,
      async (stream, _peerId, closing) => {
        const watcher = new HaveWatcher(stream, provider);
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
    for (const watcher of this.#watchers) watcher.add(sha256, index, this.#closing.signal);
  }

  /** Anything else about a blob has changed: it is complete, gone, or begun anew. */
  changed(sha256: Sha256): void {
    for (const watcher of this.#watchers) watcher.reset(sha256, this.#closing.signal);
  }

  /**
   * What `peerId` has of a blob of so many pieces, from now on and until `close()`: nothing until it has answered and
   * while it cannot be reached.
   * @throws ShoalError `source-busy`
   */
  watch(sha256: Sha256, peerId: string, pieceCount: number): Availability {
    let reader = this.#readers.get(peerId);
    if (reader === undefined) {
      reader = new HaveReader({ peerId }, { links: this.#links });
      this.#readers.set(peerId, reader);
      void this.#read(peerId, reader);
    }
    return reader.watch(sha256, pieceCount, this.#closing.signal);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new DOMException('the swarm is closing', 'AbortError'));
    return Promise.resolve();
  }

  async #read(peerId: string, reader: HaveReader): Promise<void> {
    const { signal } = this.#closing;
    // The first view is added after this starts; let it.
    await Promise.resolve();
    while (!reader.idle) {
      let retryMs = RETRY_MS;
      try {
        await reader.run(signal);
      } catch (error) {
        if (codeOf(error) === 'source-lied') retryMs = RETRY_LIAR_MS;
        this.#note(peerId, error);
      }
      if (reader.idle) break;
      try {
        await delay(retryMs, undefined, { signal });
      } catch {
        break;
      }
    }
    this.#readers.delete(peerId);
  }

  #note(peerId: string, error: unknown): void {
    const fields = { peer: peerId, code: codeOf(error), reason: messageOf(error) };
    if (codeOf(error) === 'source-lied' && this.#noted.isFirst(peerId)) this.#log.warn(fields, 'have map refused');
    else if (!isAbort(error)) this.#log.debug(fields, 'no have maps from peer');
  }
}
