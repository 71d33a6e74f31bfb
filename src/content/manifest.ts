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

/** The canonical bytes, over which the manifest's CID is computed. */
export function encodeManifest(manifest: Manifest): Uint8Array {
  return ManifestMessage.encode({
    sizeBytes: manifest.sizeBytes,
    pieceSizeBytes: manifest.pieceSizeBytes,
    sha256: Uint8Array.from(Buffer.from(manifest.sha256, 'hex')),
    pieceHashes: Uint8Array.from(manifest.pieceHashes),
  });
}

/**
 * Accepts canonical bytes only, so that one blob has one manifest and one CID.
 * @throws ShoalError `invalid`
 */
export function decodeManifest(bytes: Uint8Array): Manifest {
  if (bytes.length > MANIFEST_MAX_BYTES) {
    throw new ShoalError('invalid', `a manifest of ${bytes.length} bytes is larger than ${MANIFEST_MAX_BYTES}`);
  }
  const message = decode(bytes);
  const sha256 = Buffer.from(message.sha256).toString('hex');
  if (!isSha256(sha256)) throw new ShoalError('invalid', 'a manifest without a sha256 of 32 bytes');
  const geometry = geometryOf(message.sizeBytes);
  if (message.pieceSizeBytes !== geometry.pieceSizeBytes) {
    throw new ShoalError(
      'invalid',
      `a blob of ${geometry.sizeBytes} bytes is not cut into pieces of ${message.pieceSizeBytes}`,
    );
  }
  if (message.pieceHashes.length !== geometry.pieceCount * BLAKE3_BYTES) {
    throw new ShoalError(
      'invalid',
      `${geometry.pieceCount} pieces do not have ${message.pieceHashes.length} bytes of hashes`,
    );
  }
  const manifest = { ...geometry, sha256, pieceHashes: message.pieceHashes };
  if (!Buffer.from(encodeManifest(manifest)).equals(bytes)) {
    throw new ShoalError('invalid', 'a manifest that is not encoded canonically');
  }
  const { sizeBytes, pieceSizeBytes, pieceHashes } = manifest;
  return { sizeBytes, pieceSizeBytes, sha256, pieceHashes };
}

function decode(bytes: Uint8Array): ManifestMessage {
  try {
    return ManifestMessage.decode(bytes);
  } catch (error) {
    throw new ShoalError('invalid', 'not a manifest', { cause: error });
  }
}

/** The BLAKE3 of one piece, as a view. @throws RangeError */
export function pieceHash(manifest: Manifest, index: number): Uint8Array {
  const start = index * BLAKE3_BYTES;
  if (index < 0 || start + BLAKE3_BYTES > manifest.pieceHashes.length) throw new RangeError(`no piece ${index}`);
  return manifest.pieceHashes.subarray(start, start + BLAKE3_BYTES);
}
