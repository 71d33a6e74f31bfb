import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from '@libp2p/crypto/keys';
import type { Ed25519PrivateKey } from '@libp2p/interface';
import { ShoalError } from '../util/errors.ts';
import { loadOrCreateSecret } from './secret-file.ts';

/**
 * This node's Ed25519 key: its peer id is the name under which it signs and is blamed.
 * @throws ShoalError `invalid`
 */
export async function loadOrCreateIdentity(path: string): Promise<Ed25519PrivateKey> {
  const make = async (): Promise<Uint8Array> => privateKeyToProtobuf(await generateKeyPair('Ed25519'));
  const { content } = await loadOrCreateSecret(path, make, 0o077);
  const remedy = `Move ${path} away to start with a new identity, or put the right file back.`;
  try {
    const key = privateKeyFromProtobuf(content);
    if (key.type === 'Ed25519') return key;
  } catch (error) {
    throw new ShoalError('invalid', `${path} is not the identity of a node`, { cause: error, remedy });
  }
  throw new ShoalError('invalid', `${path} holds another kind of key than Ed25519`, { remedy });
}
