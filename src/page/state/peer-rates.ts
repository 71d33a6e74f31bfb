import type { Peer } from '../../api/schemas.ts';
import type { PeerRate } from './page-state.ts';

/** Rates from what peers have given and got, between two readings. */
export class PeerRates {
  #before: ReadonlyMap<string, Peer> = new Map();
  #beforeMs = 0;

  read(peers: readonly Peer[], nowMs: number): ReadonlyMap<string, PeerRate> {
    const seconds = (nowMs - this.#beforeMs) / 1000;
    const rates = new Map<string, PeerRate>();
    for (const peer of peers) {
      const before = this.#before.get(peer.peerId);
      if (before === undefined || seconds <= 0) continue;
      // What is less than before was counted anew.
      rates.set(peer.peerId, {
        receivedPerSecond: Math.max(0, peer.receivedBytes - before.receivedBytes) / seconds,
        sentPerSecond: Math.max(0, peer.sentBytes - before.sentBytes) / seconds,
      });
    }
    this.#before = new Map(peers.map((peer) => [peer.peerId, peer]));
    this.#beforeMs = nowMs;
    return rates;
  }
}
