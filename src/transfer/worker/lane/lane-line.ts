import type { Socket } from 'node:net';
import { withDeadline } from '../../../util/deadline.ts';
import { messageOf, ShoalError } from '../../../util/errors.ts';
import type { HostPort } from '../../../util/host-port.ts';
import type { LanePeer } from '../../data-orders.ts';
import { gone, PieceAsker, type PieceReceiver } from '../../piece-asker.ts';
import { GATHER_BYTES, type GatherSpace } from '../gathering.ts';
import { type ConnectLaneParts, connectLane } from './connect-lane.ts';

/** For an address whose packets are dropped: who waits falls back to the libp2p stream. */
const CONNECT_MS = 2500;
/** A peer on a long, full line and a busy machine has said by then what becomes of a piece that is taken back. */
const STUCK_MS = 500;

/**
 * The asking end of one lane. Bytes come straight into the buffer that they are gathered in, so receiving makes no
 * garbage: answers come in order, so one is enough for all requests.
 */
export class LaneLine {
  readonly #asker: PieceAsker;
  readonly #gathered: GatherSpace = { buffer: new Uint8Array(GATHER_BYTES) };

  private constructor(socket: Socket, onClose: () => void) {
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
    parts: ConnectLaneParts,
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
  static over(socket: Socket, onClose: (line: LaneLine) => void): LaneLine {
    const line: LaneLine = new LaneLine(socket, () => onClose(line));
    return line;
  }

  get ended(): ShoalError | undefined {
    return this.#asker.ended;
  }

  get busy(): boolean {
    return this.#asker.busy;
  }

  /** What was asked first is given up, and the peer does not even say so: what is asked now would wait behind it. */
  get stuck(): boolean {
    return this.#asker.givenUpMs >= STUCK_MS;
  }

  /** Where a receiver may gather its bytes while it is the one that receives. */
  get gathered(): GatherSpace {
    return this.#gathered;
  }

  request(piece: Parameters<PieceAsker['request']>[0], receiver: PieceReceiver): { cancel(): void } {
    return this.#asker.request(piece, receiver);
  }

  /** @internal Where the socket may put what it receives next. */
  place(): Uint8Array | undefined {
    return this.#asker.place();
  }

  /** @internal What the socket has received; valid during the call. */
  take(bytes: Uint8Array): void {
    try {
      for (let taken = this.#asker.take(bytes); taken < bytes.length && this.#asker.ended === undefined; ) {
        taken += this.#asker.take(bytes.subarray(taken));
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
  address: HostPort,
  peerId: string,
  onClose: (line: LaneLine) => void,
  parts: ConnectLaneParts,
  signal: AbortSignal,
): Promise<LaneLine> {
  const opened = await connectLane(address, peerId, parts, signal);
  const { socket } = opened;
  const line = LaneLine.over(socket, onClose);
  opened.receive({
    place: () => line.place(),
    take: (bytes) => {
      line.take(bytes);
      parts.doze.received(bytes.length);
    },
  });
  socket.on('error', (error) => line.end(error));
  socket.on('close', () => line.end(gone(undefined)));
  // A server that ends its side has nothing more to give.
  socket.on('end', () => line.end(gone(undefined)));
  return line;
}
