import { publicKeyFromMultihash } from '@libp2p/crypto/keys';
import type { Ed25519PublicKey } from '@libp2p/interface';
import * as Digest from 'multiformats/hashes/digest';
import type { MultihashDigest } from 'multiformats/hashes/interface';
import { ShoalError } from '../util/errors.ts';

/** The public key within a peer id, as bytes. @param what names in errors what it signs @throws ShoalError `invalid` */
export function peerKey(peerId: Uint8Array, what: string): Ed25519PublicKey {
  try {
    const digest: MultihashDigest = Digest.decode(peerId);
    if (isIdentity(digest)) {
      const key = publicKeyFromMultihash(digest);
      if (key.type === 'Ed25519') return key;
    }
  } catch (error) {
    throw new ShoalError('invalid', `${what} without a peer id`, { cause: error });
  }
  throw new ShoalError('invalid', `${what} whose peer id holds no Ed25519 key`);
}

/** The bytes that are signed: a domain in front, so that a signature means one thing only. */
export function withDomain(domain: Uint8Array, message: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(domain.length + message.length);
  bytes.set(domain);
  bytes.set(message, domain.length);
  return bytes;
}

/** Short keys are in their peer id as they are, which is the multihash function 0. */
function isIdentity(digest: MultihashDigest): digest is MultihashDigest<0> {
  return digest.code === 0;
}
