import { createServer as createPlainServer, type Server, type Socket } from 'node:net';
import { createServer } from 'node:tls';
import { generateKeyPair } from '@libp2p/crypto/keys';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { generateCertificate } from '@libp2p/tls/utils';
import type { LaneCredentials } from '../../../src/transfer/data-orders.ts';
import { LANE_CIPHER, LANE_PROTOCOL } from '../../../src/transfer/worker/lane/lane-tls.ts';
import { readTicket } from '../../../src/transfer/worker/lane/plain-lane.ts';
import type { CheatLine } from './hostile-server.ts';

export interface LaneIdentity {
  readonly peerId: string;
  readonly credentials: LaneCredentials;
}

export async function makeLaneIdentity(): Promise<LaneIdentity> {
  const privateKey = await generateKeyPair('Ed25519');
  return { peerId: peerIdFromPrivateKey(privateKey).toString(), credentials: await generateCertificate(privateKey) };
}

/** A server with a member's certificate, or for lanes without encryption, that does with each lane what the test says. */
export async function listenForLanes(
  identity: LaneIdentity,
  options: { readonly plain: boolean },
  onLane: (socket: Socket) => void,
): Promise<{ readonly port: number; readonly server: Server }> {
  const secure = { ...identity.credentials, ...LANE_CIPHER, ALPNProtocols: [LANE_PROTOCOL] };
  const accept = (socket: Socket): void => {
    const hangUp = (): unknown => socket.destroy();
    socket.on('error', () => undefined);
    if (!options.plain) onLane(socket);
    else void readTicket(socket).then((ticket) => (ticket === undefined ? hangUp() : onLane(socket)), hangUp);
  };
  const server = options.plain
    ? createPlainServer(accept)
    : createServer({ ...secure, requestCert: true, rejectUnauthorized: false }, accept);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as { port: number }).port, server };
}

export function asCheatLine(socket: Socket): CheatLine {
  return {
    get writeStatus() {
      return socket.writable ? 'writable' : 'closed';
    },
    send: (bytes) => socket.write(bytes),
    close: () => {
      socket.end();
      return Promise.resolve();
    },
    abort: () => {
      socket.destroy();
    },
    addEventListener: (_type, listener) => {
      socket.on('data', (data: Uint8Array) => listener({ data }));
    },
  };
}
