import type { Clock } from '../../util/clock.ts';

/** Peers show the same certificate on every lane, until they are restarted. */
const BELIEVE_MS = 3_600_000;
const MAX_KNOWN = 1000;

/**
 * Whose certificate it is. To prove it is dear for the main thread (50 ms on a busy machine), and two nodes that fetch from each other show
 * theirs to each worker in both directions. That the other end holds the certificate's key is proved by each handshake.
 */
export class ProvedCertificates {
  readonly #clock: Clock;
  readonly #prove: (certificate: Uint8Array) => Promise<string>;
  readonly #known = new Map<string, { readonly peerId: string; readonly untilMs: number }>();

  /** @param parts.prove whose it is; rejects for a certificate that proves nothing */
  constructor(parts: { readonly clock: Clock; readonly prove: (certificate: Uint8Array) => Promise<string> }) {
    this.#clock = parts.clock;
    this.#prove = parts.prove;
  }

  /** Rejects as `prove` does. */
  async peerOf(certificate: Uint8Array): Promise<string> {
    const key = Buffer.from(certificate).toString('latin1');
    const nowMs = this.#clock.monotonic();
    const known = this.#known.get(key);
    if (known !== undefined && nowMs < known.untilMs) return known.peerId;
    const peerId = await this.#prove(certificate);
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    this.#known.set(key, { peerId, untilMs: nowMs + BELIEVE_MS });
    return peerId;
  }
}
