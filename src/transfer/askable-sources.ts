import type { PickSource } from './picker.ts';
import { type Holding } from './rarity.ts';
import type { SourceSession } from './source-session.ts';
import { peerWindowOf, roomOf } from './window.ts';

export interface AskingConditions {
  readonly nowMs: number;
  readonly pieceSizeBytes: number;
  /** Of all peers of the download together. */
  readonly peerBytesPerSecond: number;
  readonly holdingOf: (session: SourceSession) => Holding;
  readonly isSeed: (session: SourceSession) => boolean;
  /** In flight in all downloads. */
  readonly totalBytes: () => number;
  /** Whether the limit on origins lets one more piece be asked for; looked at only when there is an origin to ask. */
  readonly originGranted: () => boolean;
}

/** What the sources of a download share: how much is asked of them together. */
interface Together {
  readonly conditions: AskingConditions;
  /** Pieces in flight. */
  pieces: number;
  peerPieces: number;
  readonly peerWindow: number;
  readonly mayReadOrigins: boolean;
}

/**
 * A download's sessions as the picker sees them in one look: those that can be used now, and how much each takes. A look
 * often asks nobody, so what costs something (windows, paces) is found out when somebody wants to know it.
 */
export class AskableSources {
  readonly all: readonly PickSource[];
  readonly #byKey = new Map<string, AskableSource>();
  readonly #together: Together;

  constructor(sessions: Iterable<SourceSession>, conditions: AskingConditions) {
    const { nowMs, pieceSizeBytes } = conditions;
    const usable: SourceSession[] = [];
    let pieces = 0;
    let peerPieces = 0;
    let peersPending = false;
    let nearestMs: number | undefined;
    for (const session of sessions) {
      const { size, roundTripMs } = session.line;
      pieces += size;
      if (session.isUsable(nowMs)) usable.push(session);
      if (session.id.kind !== 'peer') continue;
      peerPieces += size;
      peersPending ||= session.isPromising(nowMs);
      // The nearest of them: the time of the others includes their queues.
      if (roundTripMs !== undefined) nearestMs = Math.min(nearestMs ?? Infinity, roundTripMs);
    }
    const pace = { bytesPerSecond: conditions.peerBytesPerSecond, roundTripMs: nearestMs };
    const peerWindow = peerWindowOf(pace, pieceSizeBytes);
    this.#together = { conditions, pieces, peerPieces, peerWindow, mayReadOrigins: !peersPending };
    this.all = usable.map((session) => {
      const source = new AskableSource(session, this.#together);
      this.#byKey.set(session.key, source);
      return source;
    });
  }

  /** Something was asked of this source, or taken back. */
  changed(key: string): void {
    this.#byKey.get(key)?.changed();
  }
}

class AskableSource implements PickSource {
  readonly key: string;
  readonly kind: 'peer' | 'origin';
  readonly isSeed: boolean;
  readonly holding: Holding;
  readonly #session: SourceSession;
  readonly #together: Together;
  #pieces: number;
  #window: number | undefined;
  #expectedMs: number | undefined;

  constructor(session: SourceSession, together: Together) {
    this.key = session.key;
    this.kind = session.id.kind;
    this.isSeed = together.conditions.isSeed(session);
    this.holding = together.conditions.holdingOf(session);
    this.#session = session;
    this.#together = together;
    this.#pieces = session.line.size;
  }

  get idle(): boolean {
    return this.#pieces === 0;
  }

  get room(): number {
    const { conditions, pieces, peerPieces, peerWindow, mayReadOrigins } = this.#together;
    const limit = this.kind === 'peer' ? Math.max(0, peerWindow - peerPieces) : Infinity;
    if (limit === 0 || (this.kind === 'origin' && !(mayReadOrigins && conditions.originGranted()))) return 0;
    this.#window ??= this.#session.window(conditions.nowMs);
    const inFlight = { pieces: this.#pieces, downloadPieces: pieces, totalBytes: conditions.totalBytes() };
    return Math.min(roomOf(this.#window, inFlight, conditions.pieceSizeBytes), limit);
  }

  get expectedMs(): number {
    const { pieceSizeBytes, nowMs } = this.#together.conditions;
    this.#expectedMs ??= this.#session.line.expectedMs(pieceSizeBytes, nowMs);
    return this.#expectedMs;
  }

  changed(): void {
    const more = this.#session.line.size - this.#pieces;
    this.#pieces += more;
    this.#together.pieces += more;
    if (this.kind === 'peer') this.#together.peerPieces += more;
    this.#expectedMs = undefined;
  }
}
