import { createRequire } from 'node:module';

/**
 * The two ciphers that every byte of a libp2p connection passes through: the private network's XSalsa20 and noise's
 * ChaCha20-Poly1305. libsodium's own code does either several times quicker than what libp2p brings, and without an
 * object for each packet.
 */
export interface StreamCiphers {
  /** A key stream that goes on from call to call. @param nonce 24 bytes @param key 32 bytes */
  xsalsa20(nonce: Uint8Array, key: Uint8Array): KeyStream;
  /** `sealed` has 16 bytes more than `plain`, whose memory it may share. @param nonce 12 bytes @param key 32 bytes */
  seal(sealed: Uint8Array, plain: Uint8Array, ad: Uint8Array, nonce: Uint8Array, key: Uint8Array): void;
  /** The same the other way round. @throws Error when the bytes are not what was sealed */
  open(plain: Uint8Array, sealed: Uint8Array, ad: Uint8Array, nonce: Uint8Array, key: Uint8Array): void;
}

export interface KeyStream {
  /** In place. */
  xor(bytes: Uint8Array): void;
}

/** What is used of libsodium; the package has no types. Its functions check lengths and throw. */
interface Sodium {
  readonly crypto_stream_xor_STATEBYTES: number;
  crypto_stream_xor_init(state: Uint8Array, nonce: Uint8Array, key: Uint8Array): void;
  crypto_stream_xor_update(state: Uint8Array, output: Uint8Array, input: Uint8Array): void;
  crypto_aead_chacha20poly1305_ietf_encrypt(
    sealed: Uint8Array,
    plain: Uint8Array,
    ad: Uint8Array | null,
    secretNonce: null,
    nonce: Uint8Array,
    key: Uint8Array,
  ): number;
  crypto_aead_chacha20poly1305_ietf_decrypt(
    plain: Uint8Array,
    secretNonce: null,
    sealed: Uint8Array,
    ad: Uint8Array | null,
    nonce: Uint8Array,
    key: Uint8Array,
  ): number;
}

/** libsodium's ciphers, or undefined where no prebuilt binary fits the platform: libp2p's own do the same, slowly. */
export function loadStreamCiphers(): StreamCiphers | undefined {
  try {
    return ciphersOf(createRequire(import.meta.url)('sodium-native') as Sodium);
  } catch {
    return undefined;
  }
}

function ciphersOf(sodium: Sodium): StreamCiphers {
  return {
    xsalsa20(nonce, key) {
      const state = Buffer.alloc(sodium.crypto_stream_xor_STATEBYTES);
      sodium.crypto_stream_xor_init(state, nonce, key);
      return {
        xor: (bytes) => {
          if (bytes.length > 0) sodium.crypto_stream_xor_update(state, bytes, bytes);
        },
      };
    },
    seal(sealed, plain, ad, nonce, key) {
      sodium.crypto_aead_chacha20poly1305_ietf_encrypt(sealed, plain, someBytes(ad), null, nonce, key);
    },
    open(plain, sealed, ad, nonce, key) {
      sodium.crypto_aead_chacha20poly1305_ietf_decrypt(plain, null, sealed, someBytes(ad), nonce, key);
    },
  };
}

function someBytes(bytes: Uint8Array): Uint8Array | null {
  return bytes.length === 0 ? null : bytes;
}
