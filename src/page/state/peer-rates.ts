import type { Peer } from '../../api/schemas.ts';
import type { PeerRate } from './page-state.ts';

interface Reading {
  readonly atMs: number;
  readonly peers: ReadonlyMap<string, Peer>;
}

/** Bytes are counted by whole pieces, and readings come when something happens: over less than this a rate says little. */
const SPAN_MS = 4_000;
const SPAN_MIN_MS = 1_000;

/** Rates from what peers have given and got in the last seconds. */
export class PeerRates {
  /** The first is the newest that is old enough to measure from, if there is one. */
  readonly #readings: Reading[] = [];

  read(peers: readonly Peer[], nowMs: number): ReadonlyMap<string, PeerRate> {
    const readings = this.#readings;
    while (readings[1] !== undefined && nowMs - readings[1].atMs >= SPAN_MS) readings.shift();
    const rates = new Map<string, PeerRate>();
    for (const peer of peers) {
      const since = readings.find(({ peers: known }) => known.has(peer.peerId));
      const before = since?.peers.get(peer.peerId);
      if (since === undefined || before === undefined || nowMs - since.atMs < SPAN_MIN_MS) continue;
      const seconds = (nowMs - since.atMs) / 1000;
      // What is less than before was counted anew.
      rates.set(peer.peerId, {
        receivedPerSecond: Math.max(0, peer.receivedBytes - before.receivedBytes) / seconds,
        sentPerSecond: Math.max(0, peer.sentBytes - before.sentBytes) / seconds,
      });
    }
    readings.push({ atMs: nowMs, peers: new Map(peers.map((peer) => [peer.peerId, peer])) });
    return rates;
  }
}
