import type { Clock } from '../util/clock.ts';
import type { ShoalError } from '../util/errors.ts';
import type { Log } from '../util/log.ts';
import type { Random } from '../util/random.ts';
import type { BlameLedger } from './blame.ts';
import type { Availability } from './piece-source.ts';
import type { PieceRequest } from './request-line.ts';
import type { SourceSession } from './source-session.ts';
import type { TransferMetrics } from './transfer-metrics.ts';

export type SourceActivity = 'active' | 'idle' | 'stalled' | 'blamed' | 'gone';

/** What a session tells its download. */
export interface SessionListener {
  opened(session: SourceSession, availability: Availability): void;
  closed(session: SourceSession): void;
  availabilityChanged(session: SourceSession): void;
  bytes(session: SourceSession, request: PieceRequest, bytes: number): void;
  /** `late`: it arrived although it had been dropped. */
  requestEnded(session: SourceSession, request: PieceRequest, outcome: 'arrived' | 'late' | 'lost'): void;
  diskFull(error: ShoalError): void;
}

export interface SessionParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly blame: BlameLedger;
  readonly metrics: TransferMetrics;
}
