import type { ICryptoInterface } from '@chainsafe/libp2p-noise';
import { defaultCrypto } from '@chainsafe/libp2p-noise/crypto';
import type { StreamCiphers } from './stream-ciphers.ts';

const TAG_BYTES = 16;

/** noise's own cryptography, with its packets sealed and opened by `ciphers`. */
export function noiseCrypto(ciphers: StreamCiphers): ICryptoInterface {
  return {
    ...defaultCrypto,
    chaCha20Poly1305Encrypt(plain, nonce, ad, key) {
      const sealed = Buffer.allocUnsafe(plain.byteLength + TAG_BYTES);
      copyParts(plain, sealed);
      ciphers.seal(sealed, sealed.subarray(0, plain.byteLength), ad, nonce, key);
      return sealed;
    },
    chaCha20Poly1305Decrypt(sealed, nonce, ad, key, place) {
      const bytes = sealed.subarray();
      const length = bytes.length - TAG_BYTES;
      // A place is offered after the handshake, when nobody reads the sealed packet any more: it can be opened where it lies.
      const plain = place === undefined ? Buffer.allocUnsafe(length) : bytes.subarray(0, length);
      ciphers.open(plain, bytes, ad, nonce, key);
      return plain;
    },
  };
}

function copyParts(from: Uint8Array | Iterable<Uint8Array>, to: Uint8Array): void {
  let at = 0;
  for (const part of from instanceof Uint8Array ? [from] : from) {
    to.set(part, at);
    at += part.length;
  }
}
