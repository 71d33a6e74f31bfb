import { connect, type TLSSocket } from 'node:tls';
import { withDeadline } from '../../../util/deadline.ts';
import { messageOf, ShoalError } from '../../../util/errors.ts';
import type { HostPort } from '../../../util/host-port.ts';
import type { LaneCredentials, LanePeer } from '../../data-orders.ts';
import { gone, PieceAsker, type PieceReceiver } from '../../piece-asker.ts';
import type { Questions } from '../questions.ts';
import { certificateOf, LANE_CIPHER, LANE_PROTOCOL } from './lane-tls.ts';

/** For an address whose packets are dropped: who waits falls back to the libp2p stream. */
const CONNECT_MS = 1500;
/** What one read of the socket may bring; TLS hands on records of 16 KiB. */
const RECEIVE_BYTES = 64 * 1024;
/** Bytes are hashed and written in steps of this size: fewer are more system calls, more leave the processor's cache. */
const GATHER_BYTES = 256 * 1024;

export interface LaneLineParts {
  readonly credentials: LaneCredentials;
  readonly questions: Questions;
}

/**
 * The asking end of one lane. Bytes come into one static buffer for each line, so receiving makes no garbage, and are
 * gathered in another: answers come in order, so one is enough for all requests.
 */
export class LaneLine {
  readonly #asker: PieceAsker;
  readonly #gathered = new Uint8Array(GATHER_BYTES);

  private constructor(socket: TLSSocket, onClose: () => void) {
    this.#asker = new PieceAsker({
      send: (request) => socket.write(request),
      onEnd: () => {
        socket.destroy();
        onClose();
      },
    });
  }

  /**
   * Connects to the first address that answers, and proves that it is the peer.
   * @throws ShoalError `source-gone` when none does, `unauthorized` when somebody else does
   */
  static async open(
    peer: LanePeer,
    onClose: (line: LaneLine) => void,
    parts: LaneLineParts,
    signal: AbortSignal,
  ): Promise<LaneLine> {
    let failure: unknown = new ShoalError('source-gone', 'the peer has no lane');
    for (const address of peer.addresses) {
      try {
        return await withDeadline(CONNECT_MS, (until) => openTo(address, peer.peerId, onClose, parts, until), signal);
      } catch (error) {
        signal.throwIfAborted();
        failure = error;
      }
    }
    if (failure instanceof ShoalError) throw failure;
    throw new ShoalError('source-gone', `the lane cannot be reached: ${messageOf(failure)}`, { cause: failure });
  }

  /** @internal For `openTo`. */
  static over(socket: TLSSocket, onClose: (line: LaneLine) => void): LaneLine {
    const line: LaneLine = new LaneLine(socket, () => onClose(line));
    return line;
  }

  get ended(): ShoalError | undefined {
    return this.#asker.ended;
  }

  get busy(): boolean {
    return this.#asker.busy;
  }

  /** What was asked first is given up, and the peer has not even said so yet: what is asked now would wait behind it. */
  get stuck(): boolean {
    return this.#asker.oldest?.cancelled === true;
  }

  /** Where a receiver may gather its bytes while it is the one that receives. */
  get gathered(): Uint8Array {
    return this.#gathered;
  }

  request(piece: Parameters<PieceAsker['request']>[0], receiver: PieceReceiver): { cancel(): void } {
    return this.#asker.request(piece, receiver);
  }

  /** @internal What the socket has received; valid during the call. */
  take(bytes: Uint8Array): void {
    try {
      for (let rest = bytes; rest.length > 0 && this.#asker.ended === undefined; ) {
        rest = rest.subarray(this.#asker.take(rest));
      }
    } catch (error) {
      this.end(error);
    }
  }

  end(error: unknown): void {
    this.#asker.end(error instanceof ShoalError ? error : gone(error));
  }
}

async function openTo(
  { host, port }: HostPort,
  peerId: string,
  onClose: (line: LaneLine) => void,
  { credentials, questions }: LaneLineParts,
  signal: AbortSignal,
): Promise<LaneLine> {
  const early = (): void => void socket.destroy(new ShoalError('source-lied', 'the peer speaks before it is asked'));
  let take: (bytes: Uint8Array) => void = early;
  const receive = new Uint8Array(RECEIVE_BYTES);
  // Typed for `net.connect` only; TLS sockets take it as well.
  const onread = {
    buffer: receive,
    callback: (length: number): boolean => {
      take(receive.subarray(0, length));
      return true;
    },
  };
  const { cert, key } = credentials;
  const options = { host, port, cert, key, ...LANE_CIPHER, ALPNProtocols: [LANE_PROTOCOL], onread, noDelay: true };
  // Whom the certificate belongs to is asked below: it is self-signed, and carries a peer id.
  const socket = connect({ ...options, rejectUnauthorized: false });
  const onAbort = (): void => void socket.destroy(signal.reason as Error);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('secureConnect', resolve);
      socket.once('error', reject);
      socket.once('close', () => reject(new ShoalError('source-gone', 'the lane was closed before it was open')));
    });
    await questions.ask<'lane-peer'>({ kind: 'lane-peer', certificate: certificateOf(socket), expected: peerId });
    signal.throwIfAborted();
    if (socket.destroyed) throw new ShoalError('source-gone', 'the lane was closed before it was open');
  } catch (error) {
    socket.on('error', () => undefined);
    socket.destroy();
    throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
  const opened = LaneLine.over(socket, onClose);
  take = (bytes) => opened.take(bytes);
  socket.on('error', (error) => opened.end(error));
  socket.on('close', () => opened.end(gone(undefined)));
  // A server that ends its side has nothing more to give.
  socket.on('end', () => opened.end(gone(undefined)));
  return opened;
}
