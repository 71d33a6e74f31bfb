import { randomBytes } from 'node:crypto';
import type { AbortOptions, ConnectionProtector, MultiaddrConnection } from '@libp2p/interface';
import { AbstractMultiaddrConnection, byteStream, type SendResult } from '@libp2p/utils';
import type { Uint8ArrayList } from 'uint8arraylist';
import { keyBytes } from './fleet-key.ts';
import type { KeyStream, StreamCiphers } from './stream-ciphers.ts';

/** @see https://github.com/libp2p/specs/blob/master/pnet/Private-Networks-PSK-V1.md */
const NONCE_BYTES = 24;

/**
 * Connections of a libp2p private network: each side sends a nonce, and after it nothing that is not encrypted with
 * XSalsa20 under the fleet key. The same on the wire as `@libp2p/pnet`, several times quicker.
 */
export function boxedConnections(fleetKey: Uint8Array, ciphers: StreamCiphers): ConnectionProtector {
  const key = keyBytes(fleetKey);
  return {
    async protect(connection, options) {
      const nonce = randomBytes(NONCE_BYTES);
      const bytes = byteStream(connection);
      const exchanged = Promise.all([bytes.read({ ...options, bytes: NONCE_BYTES }), bytes.write(nonce, options)]);
      const [remoteNonce] = await exchanged;
      const incoming = ciphers.xsalsa20(remoteNonce.subarray(), key);
      // libp2p hands over its raw connection here, whatever the interface says.
      const inner = bytes.unwrap() as MultiaddrConnection;
      return new BoxedConnection(inner, { incoming, outgoing: ciphers.xsalsa20(nonce, key) });
    },
  };
}

class BoxedConnection extends AbstractMultiaddrConnection {
  readonly #inner: MultiaddrConnection;
  readonly #outgoing: KeyStream;

  constructor(
    inner: MultiaddrConnection,
    { incoming, outgoing }: { readonly incoming: KeyStream; readonly outgoing: KeyStream },
  ) {
    const { remoteAddr, direction } = inner;
    super({ remoteAddr, direction, log: inner.log.newScope('fleet') });
    this.#inner = inner;
    this.#outgoing = outgoing;
    inner.addEventListener('message', ({ data }) => {
      // The socket's bytes are nobody else's: they are decrypted where they lie.
      for (const part of data instanceof Uint8Array ? [data] : data) incoming.xor(part);
      this.onData(data);
    });
    inner.addEventListener('drain', () => this.onMuxerDrain());
    inner.addEventListener('close', (event) => {
      if (event.error === undefined) this.onTransportClosed();
      else if (event.local === true) this.abort(event.error);
      else this.onRemoteReset();
    });
  }

  override sendData(data: Uint8ArrayList): SendResult {
    // A copy: what is sent may be read by others still.
    const boxed = Buffer.allocUnsafe(data.byteLength);
    let at = 0;
    for (const part of data) {
      boxed.set(part, at);
      at += part.length;
    }
    this.#outgoing.xor(boxed);
    return { sentBytes: boxed.length, canSendMore: this.#inner.send(boxed) };
  }

  override sendReset(error: Error): void {
    this.#inner.abort(error);
  }

  override sendPause(): void {
    this.#inner.pause();
  }

  override sendResume(): void {
    this.#inner.resume();
  }

  override async sendClose(options?: AbortOptions): Promise<void> {
    await this.#inner.close(options);
  }
}
