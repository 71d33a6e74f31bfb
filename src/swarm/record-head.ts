import { publicKeyFromMultihash } from '@libp2p/crypto/keys';
import type { Ed25519PrivateKey, Ed25519PublicKey } from '@libp2p/interface';
import * as Digest from 'multiformats/hashes/digest';
import type { MultihashDigest } from 'multiformats/hashes/interface';
import { ShoalError } from '../util/errors.ts';
import { HeadMessage, SignedHeadMessage } from './wire/record.js';

/** What a node signs: the one signature that proves digest, delta and full record alike. */
export interface RecordHead {
  readonly peerId: string;
  /** Grows with every change and across restarts (it starts at the wall clock in milliseconds). */
  readonly seq: number;
  /** Grows with every head of one `seq`: an old one proves nothing. */
  readonly beat: number;
  /** 64 hex digits. */
  readonly recordHash: string;
  readonly freeBytes: number;
  /** By the owner's clock: to show, never to trust. */
  readonly issuedAt: number;
}

export interface SignedHead {
  readonly head: RecordHead;
  /** As it travels. */
  readonly bytes: Uint8Array;
}

const DOMAIN = new TextEncoder().encode('shoal record head 1\0');
const SIGNED_HEAD_MAX_BYTES = 512;
const HASH_BYTES = 32;

export async function signHead(head: Omit<RecordHead, 'peerId'>, key: Ed25519PrivateKey): Promise<SignedHead> {
  const message = HeadMessage.encode({
    ...head,
    peerId: Uint8Array.from(key.publicKey.toMultihash().bytes),
    recordHash: Uint8Array.from(Buffer.from(head.recordHash, 'hex')),
  });
  const signature = Uint8Array.from(await key.sign(signedBytes(message)));
  const bytes = SignedHeadMessage.encode({ head: message, signature });
  return { head: { ...head, peerId: key.publicKey.toString() }, bytes };
}

/** Decodes a head and proves that its owner signed it. @throws ShoalError `invalid` */
export async function verifyHead(bytes: Uint8Array): Promise<SignedHead> {
  if (bytes.length > SIGNED_HEAD_MAX_BYTES) throw new ShoalError('invalid', `a head of ${bytes.length} bytes`);
  const { head: message, signature, fields } = parse(bytes);
  const key = keyOf(fields.peerId);
  const head = {
    peerId: key.toString(),
    seq: fields.seq,
    beat: fields.beat,
    recordHash: Buffer.from(fields.recordHash).toString('hex'),
    freeBytes: fields.freeBytes,
    issuedAt: fields.issuedAt,
  };
  const counts = [head.seq, head.beat, head.freeBytes, head.issuedAt];
  if (!counts.every((count) => Number.isSafeInteger(count) && count >= 0) || fields.recordHash.length !== HASH_BYTES) {
    throw new ShoalError('invalid', 'a head with impossible numbers', { fields: { peer: head.peerId } });
  }
  if (signature.length !== 64 || !(await key.verify(signedBytes(message), signature))) {
    throw new ShoalError('invalid', 'a head with a wrong signature', { fields: { peer: head.peerId } });
  }
  return { head, bytes };
}

/** True when `a` says something later than `b`. */
export function isLater(a: Pick<RecordHead, 'seq' | 'beat'>, b: Pick<RecordHead, 'seq' | 'beat'>): boolean {
  return a.seq > b.seq || (a.seq === b.seq && a.beat > b.beat);
}

function parse(bytes: Uint8Array): { head: Uint8Array; signature: Uint8Array; fields: HeadMessage } {
  try {
    const { head, signature } = SignedHeadMessage.decode(bytes);
    return { head, signature, fields: HeadMessage.decode(head) };
  } catch (error) {
    throw new ShoalError('invalid', 'a head that cannot be decoded', { cause: error });
  }
}

function keyOf(peerId: Uint8Array): Ed25519PublicKey {
  try {
    const digest: MultihashDigest = Digest.decode(peerId);
    if (isIdentity(digest)) {
      const key = publicKeyFromMultihash(digest);
      if (key.type === 'Ed25519') return key;
    }
  } catch (error) {
    throw new ShoalError('invalid', 'a head without a peer id', { cause: error });
  }
  throw new ShoalError('invalid', 'a head whose peer id holds no Ed25519 key');
}

/** Short keys are in their peer id as they are, which is the multihash function 0. */
function isIdentity(digest: MultihashDigest): digest is MultihashDigest<0> {
  return digest.code === 0;
}

function signedBytes(head: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(DOMAIN.length + head.length);
  bytes.set(DOMAIN);
  bytes.set(head, DOMAIN.length);
  return bytes;
}
