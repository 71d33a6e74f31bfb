import type { Ed25519PrivateKey } from '@libp2p/interface';
import { ShoalError } from '../util/errors.ts';
import { peerKey, withDomain } from './peer-key.ts';
import { HeadMessage, SignedHeadMessage } from './wire/record-head.js';

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
  /** Of the disk that `freeBytes` is about; not every node tells it. */
  readonly totalBytes?: number;
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
  const signature = Uint8Array.from(await key.sign(withDomain(DOMAIN, message)));
  const bytes = SignedHeadMessage.encode({ head: message, signature });
  return { head: { ...head, peerId: key.publicKey.toString() }, bytes };
}

/** Decodes a head and proves that its owner signed it. @throws ShoalError `invalid` */
export async function verifyHead(bytes: Uint8Array): Promise<SignedHead> {
  if (bytes.length > SIGNED_HEAD_MAX_BYTES) throw new ShoalError('invalid', `a head of ${bytes.length} bytes`);
  const { head: message, signature, fields } = parse(bytes);
  const key = peerKey(fields.peerId, 'a head');
  const head = {
    peerId: key.toString(),
    seq: fields.seq,
    beat: fields.beat,
    recordHash: Buffer.from(fields.recordHash).toString('hex'),
    freeBytes: fields.freeBytes,
    ...(fields.totalBytes === undefined ? {} : { totalBytes: fields.totalBytes }),
    issuedAt: fields.issuedAt,
  };
  const counts = [head.seq, head.beat, head.freeBytes, head.totalBytes ?? 0, head.issuedAt];
  if (!counts.every((count) => Number.isSafeInteger(count) && count >= 0) || fields.recordHash.length !== HASH_BYTES) {
    throw new ShoalError('invalid', 'a head with impossible numbers', { fields: { peer: head.peerId } });
  }
  if (signature.length !== 64 || !(await key.verify(withDomain(DOMAIN, message), signature))) {
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
