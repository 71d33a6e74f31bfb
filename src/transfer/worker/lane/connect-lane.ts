import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectSecure, type TLSSocket } from 'node:tls';
import { alignedBytes } from '../../../util/aligned-bytes.ts';
import { ShoalError } from '../../../util/errors.ts';
import type { HostPort } from '../../../util/host-port.ts';
import type { LaneCredentials } from '../../data-orders.ts';
import type { Doze } from '../doze.ts';
import type { Questions } from '../questions.ts';
import { certificateOf, LANE_CIPHER, LANE_PROTOCOL } from './lane-tls.ts';
import { plainHello } from './plain-lane.ts';

/** What one read of the socket may bring; TLS hands on records of 16 KiB. */
const RECEIVE_BYTES = 64 * 1024;

export interface ConnectLaneParts {
  readonly credentials: LaneCredentials;
  readonly questions: Questions;
  readonly doze: Doze;
}

/** An open connection to a peer, proved to be the peer. `receive` is called with what it sends from now on. */
export interface LaneSocket {
  readonly socket: Socket;
  receive(listener: (bytes: Uint8Array) => void): void;
}

/** Where bytes go that a socket receives: one static buffer, so that receiving makes no garbage. */
class Inlet {
  readonly #buffer = alignedBytes(RECEIVE_BYTES);
  #listener: ((bytes: Uint8Array) => void) | undefined;
  socket: Socket | undefined;

  /** As `net.connect` takes it; TLS sockets do so as well, although the types do not say it. */
  readonly onread = {
    buffer: this.#buffer,
    callback: (length: number): boolean => {
      if (this.#listener !== undefined) this.#listener(this.#buffer.subarray(0, length));
      else this.socket?.destroy(new ShoalError('source-lied', 'the peer speaks before it is asked'));
      return true;
    },
  };

  receive(listener: (bytes: Uint8Array) => void): void {
    this.#listener = listener;
  }
}

/** @throws ShoalError `unauthorized` when somebody else answers there, and system errors */
export async function connectLane(
  address: HostPort,
  peerId: string,
  parts: ConnectLaneParts,
  signal: AbortSignal,
): Promise<LaneSocket> {
  const { credentials, questions } = parts;
  const inlet = new Inlet();
  const ticket = credentials.plain === true ? await ticketOf(peerId, questions) : undefined;
  const socket = ticket === undefined ? secure(address, credentials, inlet) : plain(address, inlet);
  inlet.socket = socket;
  const onAbort = (): void => void socket.destroy(signal.reason as Error);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once(ticket === undefined ? 'secureConnect' : 'connect', resolve);
      socket.once('error', reject);
      socket.once('close', () => reject(closedEarly()));
    });
    if (ticket !== undefined) socket.write(plainHello(ticket));
    else {
      const certificate = certificateOf(socket as TLSSocket);
      await questions.ask<'lane-peer'>({ kind: 'lane-peer', certificate, expected: peerId });
    }
    signal.throwIfAborted();
    if (socket.destroyed) throw closedEarly();
    return { socket, receive: (listener) => inlet.receive(listener) };
  } catch (error) {
    socket.on('error', () => undefined);
    socket.destroy();
    throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function secure({ host, port }: HostPort, { cert, key }: LaneCredentials, { onread }: Inlet): TLSSocket {
  const options = { host, port, cert, key, ...LANE_CIPHER, ALPNProtocols: [LANE_PROTOCOL], onread, noDelay: true };
  // Whom the certificate belongs to is asked afterwards: it is self-signed, and carries a peer id.
  return connectSecure({ ...options, rejectUnauthorized: false });
}

function plain({ host, port }: HostPort, { onread }: Inlet): Socket {
  return connectPlain({ host, port, onread, noDelay: true });
}

/** Undefined for a peer that wants its lanes encrypted. */
async function ticketOf(peerId: string, questions: Questions): Promise<Uint8Array | undefined> {
  try {
    return (await questions.ask<'lane-ticket'>({ kind: 'lane-ticket', peerId })).ticket;
  } catch {
    return undefined;
  }
}

function closedEarly(): ShoalError {
  return new ShoalError('source-gone', 'the lane was closed before it was open');
}
