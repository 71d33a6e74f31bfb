import type { Counter } from 'prom-client';
import type { Metrics } from '../util/metrics.ts';
import { UploadSlots } from './upload-slots.ts';

/**
 * Pieces that have their turn at a time. With few a piece is soon whole and passed on; with too few, some receivers that
 * hang would keep the others out (a lane takes its next turn one ahead, so these are six to twelve lanes). Each holds half
 * a MiB read ahead, which bounds the memory for all. The simulations that decided are in bench/notes.md.
 */
const UPLOAD_SLOTS = 12;
/** As many as the lanes of four workers use, each one ahead. */
const UPLOAD_SLOTS_PER_PEER = 8;

/** What is sent to whom, over whatever transport, and how much at a time. */
export class UploadLedger {
  readonly slots = new UploadSlots({ slots: UPLOAD_SLOTS, perPeer: UPLOAD_SLOTS_PER_PEER });
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
