import type { Stream } from '@libp2p/interface';
import { peerIdFromMultihash, peerIdFromString } from '@libp2p/peer-id';
import * as Digest from 'multiformats/hashes/digest';
import type { Blake3Engine } from '../content/blake3.ts';
import { childController, withDeadline } from '../util/deadline.ts';
import { codeOf, isAbort, messageOf } from '../util/errors.ts';
import type { Log } from '../util/log.ts';
import type { Fleet } from './fleet.ts';
import type { KnownEntries } from './known-entries.ts';
import type { Links } from './links.ts';
import type { NoteOnce } from './note-once.ts';
import { RECORD_PROTOCOL } from './protocols.ts';
import { fetchRecord } from './record-exchange.ts';

/** A hostile record may take 48 MiB while it is checked, so few at a time. */
const MAX_PULLS = 2;
const MAX_WAITING = 4096;
/** A line may be cut without a word: without a bound two such peers would keep the records of all others away. */
const OPEN_MS = 10_000;
/** The largest record over a line of half a megabyte a second. Each message is in time, and all of them may never end. */
const PULL_MS = 60_000;
/** Checking a hostile record costs memory and time, so whoever has sent one is not asked again for a while. */
const AVOID_MS = 60_000;
const MAX_AVOIDED = 1024;

interface Pull {
  readonly owner: string;
  /** Who is said to have it. */
  readonly tellers: Set<string>;
  ageMs: number;
}

/** Gets the whole record of nodes that we are behind on: from the owner, else from whoever told us of it. */
export class RecordPuller {
  readonly #entries: KnownEntries;
  readonly #fleet: Fleet;
  readonly #links: Links;
  readonly #blake3: Blake3Engine;
  readonly #log: Log;
  readonly #noted: NoteOnce;
  readonly #waiting = new Map<string, Pull>();
  readonly #running = new Set<string>();
  /** Until when (`performance.now()`), oldest first. */
  readonly #avoided = new Map<string, number>();

  constructor(parts: {
    entries: KnownEntries;
    fleet: Fleet;
    links: Links;
    blake3: Blake3Engine;
    log: Log;
    noted: NoteOnce;
  }) {
    this.#entries = parts.entries;
    this.#fleet = parts.fleet;
    this.#links = parts.links;
    this.#blake3 = parts.blake3;
    this.#log = parts.log;
    this.#noted = parts.noted;
  }

  /** Returns at once; what fails is tried again when the next head is heard. */
  pull(owner: string, teller: string, ageMs: number, signal: AbortSignal): void {
    const waiting = this.#waiting.get(owner);
    if (waiting !== undefined) {
      waiting.tellers.add(teller);
      waiting.ageMs = Math.min(waiting.ageMs, ageMs);
    } else if (this.#waiting.size < MAX_WAITING) {
      this.#waiting.set(owner, { owner, tellers: new Set([teller]), ageMs });
    }
    this.#start(signal);
  }

  #start(signal: AbortSignal): void {
    if (signal.aborted) return;
    for (const pull of this.#waiting.values()) {
      if (this.#running.size >= MAX_PULLS) return;
      if (this.#running.has(pull.owner)) continue;
      this.#waiting.delete(pull.owner);
      this.#running.add(pull.owner);
      void this.#run(pull, signal).finally(() => {
        this.#running.delete(pull.owner);
        this.#start(signal);
      });
    }
  }

  async #run(pull: Pull, signal: AbortSignal): Promise<void> {
    const sources = [pull.owner, ...pull.tellers].filter(
      (peerId) => this.#links.isConnected(peerId) && (this.#avoided.get(peerId) ?? 0) <= performance.now(),
    );
    for (const source of new Set(sources)) {
      try {
        const open = (deadline: AbortSignal): Promise<Stream> =>
          this.#links.openStream(source, RECORD_PROTOCOL, deadline);
        const stream = await withDeadline(OPEN_MS, open, signal);
        if (await this.#pullOver(stream, source, pull, signal)) return;
      } catch (error) {
        if (signal.aborted) return;
        this.#note(source, pull.owner, error);
      }
    }
  }

  async #pullOver(stream: Stream, source: string, { owner, ageMs }: Pull, signal: AbortSignal): Promise<boolean> {
    const { controller, release } = childController(signal);
    const timer = setTimeout(() => {
      this.#avoid(source);
      controller.abort(new DOMException(`no record within ${PULL_MS} ms`, 'TimeoutError'));
    }, PULL_MS);
    try {
      const wanted = {
        peerId: peerIdFromString(owner).toMultihash().bytes,
        entries: this.#entries,
      };
      const found = await fetchRecord(stream, wanted, this.#blake3, controller.signal);
      if (found?.signed.head.peerId !== owner) return false;
      return this.#fleet.adopt(found.signed, found.record, source === owner ? 0 : ageMs);
    } catch (error) {
      stream.abort(error instanceof Error ? error : new Error(String(error)));
      throw error;
    } finally {
      clearTimeout(timer);
      release();
    }
  }

  #note(source: string, owner: string, error: unknown): void {
    const code = codeOf(error);
    const fields = { peer: source, owner, code, reason: messageOf(error) };
    if (code === 'invalid' || code === 'source-lied') this.#avoid(source);
    if (isAbort(error) || code === 'source-gone') this.#log.debug(fields, 'record not received');
    else if (this.#noted.isFirst(`record ${source} ${owner}`)) this.#log.warn(fields, 'record refused');
  }

  #avoid(source: string): void {
    const [oldest] = this.#avoided.keys();
    if (this.#avoided.size >= MAX_AVOIDED && oldest !== undefined) this.#avoided.delete(oldest);
    this.#avoided.set(source, performance.now() + AVOID_MS);
  }
}

/** A peer id as text from its bytes. @throws when these are none */
export function peerIdText(bytes: Uint8Array): string {
  return peerIdFromMultihash(Digest.decode(bytes)).toString();
}
