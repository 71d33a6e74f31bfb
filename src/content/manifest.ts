import { ShoalError } from '../util/errors.ts';
import { BLAKE3_BYTES } from './blake3.ts';
import { isSha256, type Sha256 } from './digest.ts';
import { geometryOf } from './piece-geometry.ts';
import { ManifestMessage } from './wire/manifest.js';

/** A blob's size, cut and digests: what makes each piece checkable on its own. */
export interface Manifest {
  readonly sizeBytes: number;
  readonly pieceSizeBytes: number;
  readonly sha256: Sha256;
  /** BLAKE3 of each piece, 32 bytes each, one after the other. */
  readonly pieceHashes: Uint8Array;
}

/** A blob of 32 TiB in pieces of 16 MiB; larger ones are refused before anything is allocated. */
export const MANIFEST_MAX_BYTES = 64 * 1024 * 1024 + 128;
/** What there is beside the hashes of the pieces, at most. */
const HEAD_MAX_BYTES = 128;

/** What the manifest of a blob of that size can have at most. @throws ShoalError `invalid` as `geometryOf` */
export function manifestMaxBytes(sizeBytes: number): number {
  return Math.min(MANIFEST_MAX_BYTES, geometryOf(sizeBytes).pieceCount * BLAKE3_BYTES + HEAD_MAX_BYTES);
}

/**
 * The canonical bytes, over which the manifest's CID is computed.
 * @throws ShoalError `invalid` when the parts do not fit each other
 */
export function encodeManifest(manifest: Manifest): Uint8Array {
  check(manifest);
  return encode(manifest);
}

/**
 * Accepts canonical bytes only, so that one blob has one manifest and one CID.
 * @throws ShoalError `invalid`
 */
export function decodeManifest(bytes: Uint8Array): Manifest {
  if (bytes.length > MANIFEST_MAX_BYTES) {
    throw new ShoalError('invalid', `a manifest of ${bytes.length} bytes is larger than ${MANIFEST_MAX_BYTES}`);
  }
  const { sizeBytes, pieceSizeBytes, sha256, pieceHashes } = decode(bytes);
  const manifest = {
    sizeBytes,
    pieceSizeBytes,
    sha256: Buffer.from(sha256).toString('hex'),
    // A copy: what protons gives is a view of `bytes`, which may be a receive buffer that is used again.
    pieceHashes: pieceHashes.slice(),
  };
  check(manifest);
  if (!Buffer.from(encode(manifest)).equals(bytes)) {
    throw new ShoalError('invalid', 'a manifest that is not encoded canonically');
  }
  return manifest;
}

/** The BLAKE3 of one piece, as a view. @throws RangeError */
export function pieceHash(manifest: Manifest, index: number): Uint8Array {
  const start = index * BLAKE3_BYTES;
  if (!Number.isInteger(index) || index < 0 || start + BLAKE3_BYTES > manifest.pieceHashes.length) {
    throw new RangeError(`no piece ${index}`);
  }
  return manifest.pieceHashes.subarray(start, start + BLAKE3_BYTES);
}

function check({ sizeBytes, pieceSizeBytes, sha256, pieceHashes }: Manifest): void {
  const geometry = geometryOf(sizeBytes);
  if (!isSha256(sha256)) throw new ShoalError('invalid', 'a manifest without a sha256 of 32 bytes');
  if (pieceSizeBytes !== geometry.pieceSizeBytes) {
    throw new ShoalError('invalid', `a blob of ${sizeBytes} bytes is not cut into pieces of ${pieceSizeBytes}`);
  }
  if (pieceHashes.length !== geometry.pieceCount * BLAKE3_BYTES) {
    throw new ShoalError('invalid', `${geometry.pieceCount} pieces do not have ${pieceHashes.length} bytes of hashes`);
  }
}

function encode({ sizeBytes, pieceSizeBytes, sha256, pieceHashes }: Manifest): Uint8Array {
  return ManifestMessage.encode({
    sizeBytes,
    pieceSizeBytes,
    sha256: Uint8Array.from(Buffer.from(sha256, 'hex')),
    pieceHashes: new Uint8Array(pieceHashes),
  });
}

function decode(bytes: Uint8Array): ManifestMessage {
  try {
    return ManifestMessage.decode(bytes);
  } catch (error) {
    throw new ShoalError('invalid', 'not a manifest', { cause: error });
  }
}
