import type { Ed25519PrivateKey } from '@libp2p/interface';
import { BLAKE3_BYTES } from '../content/blake3.ts';
import { isSha256, type Sha256 } from '../content/digest.ts';
import { ShoalError } from '../util/errors.ts';
import { peerKey, withDomain } from './peer-key.ts';
import { RunMessage, SignedRunMessage } from './wire/runs.js';

/** Hashes of consecutive pieces of a draft, signed by the node that has read them from its origin. */
export interface HashRun {
  readonly draft: Sha256;
  /** Peer id. */
  readonly reader: string;
  /** Index of the first piece. */
  readonly first: number;
  /** BLAKE3, 32 bytes each: a view of `bytes`, for many runs are kept. */
  readonly hashes: Uint8Array;
  /** As it travels, whoever passes it on. */
  readonly bytes: Uint8Array;
}

export const RUN_MAX_PIECES = 1024;
export const RUN_MAX_BYTES = RUN_MAX_PIECES * BLAKE3_BYTES + 256;
const DOMAIN = new TextEncoder().encode('shoal hash run 1\0');

export async function signRun(run: Omit<HashRun, 'reader' | 'bytes'>, key: Ed25519PrivateKey): Promise<HashRun> {
  const message = RunMessage.encode({
    draft: Uint8Array.from(Buffer.from(run.draft, 'hex')),
    reader: Uint8Array.from(key.publicKey.toMultihash().bytes),
    first: run.first,
    hashes: Uint8Array.from(run.hashes),
  });
  const signature = Uint8Array.from(await key.sign(withDomain(DOMAIN, message)));
  const bytes = SignedRunMessage.encode({ run: message, signature });
  return { ...run, reader: key.publicKey.toString(), hashes: parse(bytes).fields.hashes, bytes };
}

/** Decodes a run and proves that its reader signed it. @throws ShoalError `invalid` */
export async function verifyRun(received: Uint8Array): Promise<HashRun> {
  if (received.length > RUN_MAX_BYTES) throw new ShoalError('invalid', `a run of ${received.length} bytes`);
  // A copy: what came is a view of a frame. What is decoded is a view of the copy.
  const bytes = new Uint8Array(received);
  const { message, signature, fields } = parse(bytes);
  const key = peerKey(fields.reader, 'a run of hashes');
  const draft = Buffer.from(fields.draft).toString('hex');
  const { first, hashes } = fields;
  if (!isSha256(draft) || hashes.length === 0 || hashes.length % BLAKE3_BYTES !== 0) {
    throw new ShoalError('invalid', 'a run that is not made of hashes');
  }
  if (hashes.length > RUN_MAX_PIECES * BLAKE3_BYTES) throw new ShoalError('invalid', 'a run of too many hashes');
  if (signature.length !== 64 || !(await key.verify(withDomain(DOMAIN, message), signature))) {
    throw new ShoalError('invalid', 'a run with a wrong signature');
  }
  return { draft, reader: key.toString(), first, hashes, bytes };
}

function parse(bytes: Uint8Array): { message: Uint8Array; signature: Uint8Array; fields: RunMessage } {
  try {
    const { run: message, signature } = SignedRunMessage.decode(bytes);
    return { message, signature, fields: RunMessage.decode(message) };
  } catch (error) {
    throw new ShoalError('invalid', 'a run that cannot be decoded', { cause: error });
  }
}
