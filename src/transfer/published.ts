import type { Blake3Engine } from '../content/blake3.ts';
import { manifestCid, parseManifestCid } from '../content/cid.ts';
import { decodeManifest } from '../content/manifest.ts';
import { manifestPath, parsePublishedIndex } from '../store/published-index.ts';
import { ShoalError } from '../util/errors.ts';
import type { OriginModel } from './origin.ts';

/** @throws ShoalError `invalid` for a CID that is none, which could be a path to elsewhere */
export function publishedManifestPath(cid: string): string {
  return manifestPath(parseManifestCid(cid));
}

/** @throws ShoalError `invalid` */
export function modelsOf(index: Uint8Array): OriginModel[] {
  return parsePublishedIndex(index).map(({ id, aliases, digest, files }) => ({ id, aliases, digest, files }));
}

/** @throws ShoalError `source-lied` for bytes that are not the manifest of this name */
export function checkedManifest(bytes: Uint8Array, cid: string, blake3: Blake3Engine): Uint8Array {
  if (manifestCid(bytes, blake3) !== cid) {
    throw new ShoalError('source-lied', 'the origin gives other bytes than those of the manifest', {
      remedy: 'Run "shoal publish" on the origin again.',
    });
  }
  decodeManifest(bytes);
  return bytes;
}
