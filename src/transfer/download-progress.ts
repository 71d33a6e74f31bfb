import type { ShoalError } from '../util/errors.ts';
import type { SourceId } from './piece-source.ts';
import type { SourceActivity } from './session-listener.ts';

export type DownloadState =
  | { readonly kind: 'idle' } // not begun
  | { readonly kind: 'fetching' }
  | { readonly kind: 'stalled'; readonly sinceMs: number /* wall clock */ }
  | { readonly kind: 'paused'; readonly problem: ShoalError }
  | { readonly kind: 'complete' };

export interface SourceProgress {
  readonly id: SourceId;
  readonly bytes: number;
  readonly pieces: number;
  readonly bytesPerSecond: number;
  readonly state: SourceActivity;
}

export interface DownloadProgress {
  readonly state: DownloadState;
  readonly bytesTotal: number;
  /** Verified and on disk, from before this run included. */
  readonly bytesDone: number;
  readonly receivedBytes: number;
  /** Received in vain: wrong, lost to a cancel, or twice. */
  readonly refetchedBytes: number;
  readonly bytesPerSecond: number;
  /** Absent while nothing moves. */
  readonly etaMs: number | undefined;
  readonly sources: readonly SourceProgress[];
}
