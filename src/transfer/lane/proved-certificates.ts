import { createHash } from 'node:crypto';
import type { Clock } from '../../util/clock.ts';

/** Peers show the same certificate on every lane, until they are restarted. */
const BELIEVE_MS = 3_600_000;
const MAX_KNOWN = 1000;

export interface ProvedCertificatesParts {
  readonly clock: Pick<Clock, 'monotonic'>;
  /** Whose it is; rejects for a certificate that proves nothing. */
  readonly prove: (certificate: Uint8Array) => Promise<string>;
  /** Of the fleet, by what is known now. */
  readonly isMember: (peerId: string) => boolean;
}

/**
 * Whose certificate it is. To prove it is dear for the main thread (50 ms on a busy machine), and two nodes that fetch from
 * each other show theirs to each worker in both directions. That the other end holds the certificate's key is proved by
 * each handshake. Only those of members are remembered: strangers can make any number of them.
 */
export class ProvedCertificates {
  readonly #parts: ProvedCertificatesParts;
  /** By sha256 of the certificate; the oldest first. */
  readonly #known = new Map<string, { readonly peerId: string; readonly untilMs: number }>();

  constructor(parts: ProvedCertificatesParts) {
    this.#parts = parts;
  }

  /** Rejects as `prove` does. */
  async peerOf(certificate: Uint8Array): Promise<string> {
    const { clock, prove, isMember } = this.#parts;
    const key = createHash('sha256').update(certificate).digest('base64');
    const nowMs = clock.monotonic();
    const known = this.#known.get(key);
    if (known !== undefined && nowMs < known.untilMs) return known.peerId;
    const peerId = await prove(certificate);
    if (!isMember(peerId)) return peerId;
    this.#known.delete(key);
    const [oldest] = this.#known.keys();
    if (oldest !== undefined && this.#known.size >= MAX_KNOWN) this.#known.delete(oldest);
    this.#known.set(key, { peerId, untilMs: nowMs + BELIEVE_MS });
    return peerId;
  }
}
