import { CID } from 'multiformats/cid';
import * as Digest from 'multiformats/hashes/digest';
import { ShoalError } from '../util/errors.ts';
import { BLAKE3_BYTES, type Blake3Engine } from './blake3.ts';
import type { Sha256 } from './digest.ts';

/** Codes of the multicodec table: https://github.com/multiformats/multicodec/blob/master/table.csv */
const RAW = 0x55;
const PROTOBUF = 0x50;
const SHA2_256 = 0x12;
const BLAKE3 = 0x1e;

/** CIDv1, base32: protobuf bytes under their BLAKE3. */
export function manifestCid(manifestBytes: Uint8Array, blake3: Blake3Engine): string {
  return CID.createV1(PROTOBUF, Digest.create(BLAKE3, blake3.hash(manifestBytes))).toString();
}

/** CIDv1, base32: raw bytes under their SHA-256. */
export function blobCid(sha256: Sha256): string {
  return CID.createV1(RAW, Digest.create(SHA2_256, Uint8Array.from(Buffer.from(sha256, 'hex')))).toString();
}

/**
 * Accepts exactly what `manifestCid` makes, so that the text is safe as a file name, too.
 * @throws ShoalError `invalid`
 */
export function parseManifestCid(text: string): string {
  if (!/^b[a-z2-7]{58}$/.test(text) || canonicalOf(text) !== text) {
    throw new ShoalError('invalid', `${JSON.stringify(text.slice(0, 128))} is not the CID of a manifest`);
  }
  return text;
}

function canonicalOf(text: string): string | undefined {
  try {
    const { version, code, multihash } = CID.parse(text);
    if (version !== 1 || code !== PROTOBUF || multihash.code !== BLAKE3 || multihash.size !== BLAKE3_BYTES)
      return undefined;
    // Made anew: a parsed CID gives back the text that it came from, whatever its spelling.
    return CID.createV1(PROTOBUF, Digest.create(BLAKE3, multihash.digest)).toString();
  } catch {
    return undefined;
  }
}
