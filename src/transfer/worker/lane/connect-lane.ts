import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectSecure, type TLSSocket } from 'node:tls';
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

/** Takes what a peer sends. */
export interface LaneListening {
  /** Where the next bytes may be put; undefined for anywhere. */
  place(): Uint8Array | undefined;
  /** The bytes are valid during the call only. */
  take(bytes: Uint8Array): void;
}

/** An open connection to a peer, proved to be the peer. `receive` tells who takes what it sends from now on. */
export interface LaneSocket {
  readonly socket: Socket;
  receive(listener: LaneListening): void;
}

/**
 * Where bytes go that a socket receives: to their place, or into one static buffer, so that receiving makes no garbage.
 * Node hands on one TLS record of 16 KiB after the other, 20,000 times a second: views are made for few of them.
 */
class Inlet {
  /** Of a fixed length: views of resizable memory (`alignedBytes`) take several times as long to make. */
  readonly #buffer = new Uint8Array(RECEIVE_BYTES);
  #listener: LaneListening | undefined;
  socket: Socket | undefined;

  /** As `net.connect` takes it; TLS sockets do so as well, although the types do not say it. */
  readonly onread = {
    buffer: (): Uint8Array => this.#listener?.place() ?? this.#buffer,
    callback: (length: number, buffer: Uint8Array): boolean => {
      const bytes = length === buffer.length ? buffer : buffer.subarray(0, length);
      if (this.#listener !== undefined) this.#listener.take(bytes);
      else this.socket?.destroy(new ShoalError('source-lied', 'the peer speaks before it is asked'));
      return true;
    },
  };

  receive(listener: LaneListening): void {
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
  // Nothing would end a connection that was begun after that, to an address that drops packets.
  signal.throwIfAborted();
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
