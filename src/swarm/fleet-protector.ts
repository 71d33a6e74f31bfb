import { Socket } from 'node:net';
import type { ConnectionProtector, MessageStream, MultiaddrConnection } from '@libp2p/interface';
import { preSharedKey } from '@libp2p/pnet';
import { Uint8ArrayList } from 'uint8arraylist';
import { ShoalError } from '../util/errors.ts';
import type { Log } from '../util/log.ts';
import { boxedConnections } from './boxed-connection.ts';
import { NoteOnce } from './note-once.ts';
import type { StreamCiphers } from './stream-ciphers.ts';

/** What every libp2p dialler sends first once the key is agreed on: multistream-select's header with its length. */
const GREETING = new TextEncoder().encode('\x13/multistream/1.0.0\n');

/**
 * The fleet key as libp2p's connection protector, with eyes. A private network has no handshake that could fail: with
 * another key what arrives is noise, which libp2p takes for a length and mostly waits for, until a timeout that it tells
 * nobody of. The dialler speaks first, so its first bytes show whether it holds our key: if not it is cut off at once and
 * noted, once for each address.
 */
export function fleetProtector(
  fleetKey: Uint8Array,
  parts: { readonly log: Log; readonly ciphers: StreamCiphers | undefined },
): () => ConnectionProtector {
  const { log, ciphers } = parts;
  const inner = ciphers === undefined ? preSharedKey({ psk: fleetKey })() : boxedConnections(fleetKey, ciphers);
  const noted = new NoteOnce();
  const protector: ConnectionProtector = {
    async protect(connection, options) {
      readOncePerTurn(connection);
      const boxed = await inner.protect(connection, options);
      if (connection.direction === 'outbound') return boxed;
      const greeting = await firstBytes(boxed, GREETING.length, options?.signal ?? new AbortController().signal);
      if (Buffer.from(greeting).equals(GREETING)) return boxed;
      const address = addressOf(connection);
      if (noted.isFirst(address.replace(/\/tcp\/.*$/, ''))) {
        log.warn({ address }, 'connection refused: the other side does not hold this fleet key');
      }
      throw new ShoalError('unauthorized', 'the other side does not hold this fleet key');
    },
  };
  return () => protector;
}

/**
 * libuv reads a socket that has data up to 32 times before it looks at another. With 64 KiB to decrypt each time, all
 * else in the process, the API first, would wait for tens of milliseconds; one read in each turn of the event loop keeps
 * the turns short.
 */
function readOncePerTurn(connection: MessageStream): void {
  // libp2p hands over its TCP connection here, whatever the interface says.
  const raw = connection as { readonly socket?: unknown; readonly readStatus?: string };
  const { socket } = raw;
  if (!(socket instanceof Socket)) return;
  socket.on('data', () => {
    socket.pause();
    setImmediate(() => {
      // Who has paused the connection meanwhile, because a reader is slow, resumes it.
      if (raw.readStatus === 'readable') socket.resume();
    });
  });
}

/** The first bytes of a stream, which stay in it for whoever reads next. */
function firstBytes(stream: MessageStream, length: number, signal: AbortSignal): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const received = new Uint8ArrayList();
    const settle = (finish: () => void): void => {
      stream.removeEventListener('message', onMessage);
      stream.removeEventListener('close', onClose);
      signal.removeEventListener('abort', onAbort);
      finish();
    };
    const onMessage = (event: { readonly data: Uint8Array | Uint8ArrayList }): void => {
      received.append(event.data);
      if (received.byteLength < length) return;
      settle(() => {
        stream.unshift(received);
        resolve(received.slice(0, length));
      });
    };
    const onClose = (): void => settle(() => reject(new ShoalError('source-gone', 'closed before a word was said')));
    const onAbort = (): void => settle(() => reject(signal.reason as Error));
    if (signal.aborted) {
      onAbort();
      return;
    }
    stream.addEventListener('close', onClose);
    signal.addEventListener('abort', onAbort, { once: true });
    stream.addEventListener('message', onMessage);
  });
}

function addressOf(connection: MessageStream): string {
  // libp2p hands over its raw connection here, whatever the interface says.
  return String((connection as Partial<MultiaddrConnection>).remoteAddr);
}
