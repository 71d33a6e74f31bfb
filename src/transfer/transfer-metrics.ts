import type { Counter, Gauge, Histogram } from 'prom-client';
import type { Metrics } from '../util/metrics.ts';

/** What all downloads of a daemon count together; one per daemon. */
export class TransferMetrics {
  readonly receivedBytes: Counter<'source'>;
  readonly refetchedBytes: Counter;
  readonly stalls: Counter<'source'>;
  readonly stalledDownloads: Gauge;
  readonly pieceSeconds: Histogram<'source'>;

  constructor(metrics: Metrics) {
    this.receivedBytes = metrics.counter('shoal_received_bytes_total', 'Piece bytes received', ['source']);
    this.refetchedBytes = metrics.counter(
      'shoal_refetched_bytes_total',
      'Piece bytes received in vain: wrong, cancelled or twice',
    );
    this.stalls = metrics.counter('shoal_source_stalls_total', 'Sources left because they sent nothing', ['source']);
    this.stalledDownloads = metrics.gauge('shoal_stalled_downloads', 'Downloads that no source gives anything now');
    this.pieceSeconds = metrics.histogram(
      'shoal_piece_seconds',
      'From asking for a piece to having it verified and written',
      [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30],
      ['source'],
    );
  }
}
