import { createServer, type Server, type TLSSocket } from 'node:tls';
import { generateKeyPair } from '@libp2p/crypto/keys';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { generateCertificate } from '@libp2p/tls/utils';
import type { LaneCredentials } from '../../../src/transfer/data-orders.ts';
import { LANE_CIPHER, LANE_PROTOCOL } from '../../../src/transfer/worker/lane/lane-tls.ts';
import type { CheatLine } from './hostile-server.ts';

export interface LaneIdentity {
  readonly peerId: string;
  readonly credentials: LaneCredentials;
}

export async function makeLaneIdentity(): Promise<LaneIdentity> {
  const privateKey = await generateKeyPair('Ed25519');
  return { peerId: peerIdFromPrivateKey(privateKey).toString(), credentials: await generateCertificate(privateKey) };
}

/** A TLS server with a member's certificate that does with each lane what the test says. */
export async function listenForLanes(
  identity: LaneIdentity,
  onLane: (socket: TLSSocket) => void,
): Promise<{ readonly port: number; readonly server: Server }> {
  const options = { ...identity.credentials, ...LANE_CIPHER, ALPNProtocols: [LANE_PROTOCOL] };
  const server = createServer({ ...options, requestCert: true, rejectUnauthorized: false }, (socket) => {
    socket.on('error', () => undefined);
    onLane(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as { port: number }).port, server };
}

export function asCheatLine(socket: TLSSocket): CheatLine {
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
