import { constants } from 'node:crypto';
import type { Socket } from 'node:net';
import { createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import { ShoalError } from '../../../util/errors.ts';
import type { LaneCredentials } from '../../data-orders.ts';

/** Both ends name it, so that nothing else that speaks TLS is taken for a lane. */
export const LANE_PROTOCOL = 'shoal-lane/1';

/** TLS 1.3 only; of its ciphers the one that costs least here, measurably less than the default (AES-256). */
export const LANE_CIPHER = { minVersion: 'TLSv1.3', ciphers: 'TLS_AES_128_GCM_SHA256' } as const;

export function laneContext({ cert, key }: LaneCredentials): SecureContext {
  // Every lane shows both identities anew: nothing is resumed.
  return createSecureContext({ cert, key, ...LANE_CIPHER, secureOptions: constants.SSL_OP_NO_TICKET });
}

/** @throws ShoalError `unauthorized` for an end without a certificate, or that means another protocol */
export function certificateOf(socket: TLSSocket): Uint8Array {
  if (socket.alpnProtocol !== LANE_PROTOCOL) throw new ShoalError('unauthorized', 'the other end speaks no lane');
  const { raw } = socket.getPeerCertificate(true) as { raw?: Uint8Array };
  if (raw === undefined) throw new ShoalError('unauthorized', 'the other end shows no certificate');
  return Uint8Array.from(raw);
}

export function addressOf(socket: Socket): string {
  return `${socket.remoteAddress ?? 'unknown'}:${socket.remotePort ?? 0}`;
}
