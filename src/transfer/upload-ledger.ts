import type { Counter } from 'prom-client';
import type { Metrics } from '../util/metrics.ts';
import { UploadSlots } from './upload-slots.ts';

/** Pieces that are being sent at a time. Each holds half a MiB read ahead, which bounds the memory for all. */
const UPLOAD_SLOTS = 24;

/** What is sent to whom, over whatever transport, and how much at a time. */
export class UploadLedger {
  readonly slots = new UploadSlots({ slots: UPLOAD_SLOTS });
  readonly #sentBytes: Counter;
  /** Since the start; as many entries as the fleet has had members. */
  readonly #sentTo = new Map<string, number>();

  constructor(parts: { readonly metrics: Metrics }) {
    this.#sentBytes = parts.metrics.counter('shoal_sent_bytes_total', 'Piece bytes sent to peers');
  }

  sentTo(peerId: string): number {
    return this.#sentTo.get(peerId) ?? 0;
  }

  sent(peerId: string, bytes: number): void {
    this.#sentBytes.inc(bytes);
    this.#sentTo.set(peerId, this.sentTo(peerId) + bytes);
  }
}
