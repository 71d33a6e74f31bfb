import type { ConnectionEncrypter, SecuredConnection } from '@libp2p/interface';

/** What noise reads lengths from (@chainsafe/libp2p-noise 17): its types keep it to themselves. */
interface NoiseInside {
  readonly decoder: {
    readonly encodingLength: (length: number) => number;
    lengthDecoder: (received: { readonly byteLength: number }) => number;
  };
}

/** How many bytes tell the length of a packet. */
const LENGTH_BYTES = 2;

/**
 * After each packet noise asks for the length of the next one until an error says that it has not come, with a stack that
 * nobody reads: a fifth to a quarter of what a short message costs its receiver. A length of 0 is waited for as well, and
 * costs nothing.
 */
export function withCheapLengths<Components, Extensions>(
  factory: (components: Components) => ConnectionEncrypter<Extensions>,
): (components: Components) => ConnectionEncrypter<Extensions> {
  return (components) => {
    const noise = factory(components);
    const secureInbound = noise.secureInbound.bind(noise);
    const secureOutbound = noise.secureOutbound.bind(noise);
    noise.secureInbound = async (...args) => cheapened(await secureInbound(...args));
    noise.secureOutbound = async (...args) => cheapened(await secureOutbound(...args));
    return noise;
  };
}

function cheapened<Extensions>(secured: SecuredConnection<Extensions>): SecuredConnection<Extensions> {
  const { connection } = secured;
  if (!isNoise(connection)) return secured;
  const { decoder } = connection;
  const { lengthDecoder } = decoder;
  decoder.lengthDecoder = (received) => (received.byteLength < LENGTH_BYTES ? 0 : lengthDecoder(received));
  return secured;
}

/** Other ways to tell lengths are left as they are. */
function isNoise(connection: object): connection is NoiseInside {
  const { decoder } = connection as { readonly decoder?: Partial<NoiseInside['decoder']> };
  return typeof decoder?.lengthDecoder === 'function' && decoder.encodingLength?.(0) === LENGTH_BYTES;
}
