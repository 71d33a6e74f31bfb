import type { Clock } from '../util/clock.ts';
import type { ShoalError } from '../util/errors.ts';
import type { Log } from '../util/log.ts';
import type { Random } from '../util/random.ts';
import type { BlameLedger } from './blame.ts';
import type { Availability, SourceId } from './piece-source.ts';
import type { PieceRequest } from './request-line.ts';
import type { TransferMetrics } from './transfer-metrics.ts';

export type SourceActivity = 'active' | 'idle' | 'stalled' | 'blamed' | 'gone';

/** A session as its download hears of it. */
export interface HeardSession {
  readonly id: SourceId;
  readonly key: string;
  readonly availability: Availability | undefined;
  /** Pieces and bytes that this source was the first to deliver; counted by the download. */
  readonly delivered: { pieces: number; bytes: number };
}

/** What a session tells its download. */
export interface SessionListener {
  opened(session: HeardSession, availability: Availability): void;
  closed(session: HeardSession): void;
  availabilityChanged(session: HeardSession, added: readonly number[] | undefined): void;
  bytes(session: HeardSession, request: PieceRequest, bytes: number): void;
  /** `late`: it arrived although it had been dropped. */
  requestEnded(session: HeardSession, request: PieceRequest, outcome: 'arrived' | 'late' | 'lost'): void;
  diskFull(error: ShoalError): void;
}

export interface SessionParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly blame: BlameLedger;
  readonly metrics: TransferMetrics;
}
