import { EventEmitter } from 'node:events';
import type { Counter } from 'prom-client';
import type { Clock } from '../util/clock.ts';
import type { Log } from '../util/log.ts';
import type { Metrics } from '../util/metrics.ts';
import { type SourceId, sourceKey } from './piece-source.ts';

const FIRST_BACKOFF_MS = 60_000;
const MAX_BACKOFF_MS = 60 * 60_000;
/** After so long without another strike a source starts afresh. */
const FORGIVEN_AFTER_MS = 24 * 60 * 60_000;

export type BlameReason = 'piece-corrupt' | 'source-lied';

export interface Strike {
  readonly reason: BlameReason;
  readonly sha256: string;
  /** Undefined when it was wrong before any piece was asked for. */
  readonly piece: number | undefined;
  /** What was wrong, for the log. */
  readonly detail: string;
}

export interface Blame {
  readonly id: SourceId;
  readonly reason: BlameReason;
  readonly strikes: number;
  readonly rejectedPieces: number;
  /** Wall clock; over when in the past. */
  readonly untilMs: number;
  readonly active: boolean;
}

interface Entry {
  readonly id: SourceId;
  reason: BlameReason;
  strikes: number;
  rejectedPieces: number;
  blamedUntilMs: number; // monotonic
}

/**
 * Remembers for the whole daemon who sent something wrong. A strike makes a source unusable for a minute, the next one
 * after that for two, and so on; what a source in back-off still had in flight counts as rejected, not as a strike.
 */
export class BlameLedger extends EventEmitter<{ blamed: [Blame] }> {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #rejected: Counter<'peer'>;
  readonly #entries = new Map<string, Entry>();

  constructor(parts: { readonly clock: Clock; readonly log: Log; readonly metrics: Metrics }) {
    super();
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#rejected = parts.metrics.counter(
      'shoal_rejected_pieces_total',
      'Pieces that were wrong or came with a breach of the protocol, by who sent them',
      ['peer'],
    );
  }

  strike(id: SourceId, strike: Strike): void {
    const nowMs = this.#clock.monotonic();
    this.#rejected.inc({ peer: id.id });
    const entry = this.#entryOf(id, strike.reason);
    entry.rejectedPieces += 1;
    if (entry.blamedUntilMs > nowMs) return;
    const forgiven = nowMs - entry.blamedUntilMs > FORGIVEN_AFTER_MS;
    entry.strikes = forgiven ? 1 : entry.strikes + 1;
    entry.reason = strike.reason;
    const backoffMs = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (entry.strikes - 1));
    entry.blamedUntilMs = nowMs + backoffMs;
    const { sha256, piece, reason, detail } = strike;
    const fields = { [id.kind]: id.id, reason, detail, sha256, piece, strikes: entry.strikes, backoffMs };
    // Once for a person to see; how it goes on is in the metric.
    if (entry.strikes === 1) this.#log.warn(fields, 'source sent a bad piece, it is avoided for now');
    else this.#log.debug(fields, 'source sent a bad piece again');
    this.emit('blamed', this.#view(entry, nowMs));
  }

  isAllowed(id: SourceId): boolean {
    return this.blockedMs(id) === 0;
  }

  /** How long the source is still to be left alone. */
  blockedMs(id: SourceId): number {
    if (this.#entries.size === 0) return 0;
    const entry = this.#entries.get(sourceKey(id));
    return entry === undefined ? 0 : Math.max(0, entry.blamedUntilMs - this.#clock.monotonic());
  }

  find(id: SourceId): Blame | undefined {
    const entry = this.#entries.get(sourceKey(id));
    return entry === undefined ? undefined : this.#view(entry, this.#clock.monotonic());
  }

  /** Everybody who ever sent something wrong to this daemon, also when the back-off is over. */
  list(): Blame[] {
    const nowMs = this.#clock.monotonic();
    return [...this.#entries.values()].map((entry) => this.#view(entry, nowMs));
  }

  #entryOf(id: SourceId, reason: BlameReason): Entry {
    const key = sourceKey(id);
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = { id, reason, strikes: 0, rejectedPieces: 0, blamedUntilMs: -Infinity };
      this.#entries.set(key, entry);
    }
    return entry;
  }

  #view(entry: Entry, nowMs: number): Blame {
    const leftMs = entry.blamedUntilMs - nowMs;
    const { id, reason, strikes, rejectedPieces } = entry;
    return { id, reason, strikes, rejectedPieces, untilMs: this.#clock.now() + leftMs, active: leftMs > 0 };
  }
}
