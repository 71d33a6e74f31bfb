import { createHash } from 'node:crypto';
import type { Blake3Engine } from './blake3.ts';
import { manifestCid } from './cid.ts';
import type { Sha256 } from './digest.ts';

/** A file as an origin lists it that nobody has hashed. */
export interface UnhashedFile {
  readonly path: string;
  readonly sizeBytes: number;
  /** Time of the modification as decimal text, for documents know no such numbers; absent where the origin cannot tell. */
  readonly modifiedNs?: string;
}

/** A file that nobody has hashed yet, under the name that it has until then. */
export interface Draft {
  /** Takes the place of the sha256 while there is none: 64 hex digits. */
  readonly id: Sha256;
  readonly path: string;
  readonly sizeBytes: number;
  readonly modifiedNs: string;
  /** CID of the description, in the place of that of the manifest. */
  readonly manifest: string;
}

/** A smaller file each node reads by itself sooner than the nodes could agree on who does. */
export const DRAFT_MIN_BYTES = 4 * 1024 * 1024;

/**
 * Nodes mount the same directory in different places, so the name is made of what they see alike: path, size and time
 * of the modification, to the nanosecond. Who sees another version of the file has another name for it and none of its
 * pieces. Undefined for what is not worth it, or without a time.
 */
export function draftOf(file: UnhashedFile, blake3: Blake3Engine): Draft | undefined {
  const id = draftId(file);
  const { path, sizeBytes, modifiedNs } = file;
  if (id === undefined || modifiedNs === undefined) return undefined;
  return { id, path, sizeBytes, modifiedNs, manifest: manifestCid(description(file), blake3) };
}

export function draftId(file: UnhashedFile): Sha256 | undefined {
  if (file.modifiedNs === undefined || file.sizeBytes < DRAFT_MIN_BYTES) return undefined;
  return createHash('sha256').update(description(file)).digest('hex');
}

function description({ path, sizeBytes, modifiedNs }: UnhashedFile): Uint8Array {
  return new TextEncoder().encode(`shoal draft 1\0${path}\0${sizeBytes}\0${modifiedNs ?? ''}`);
}
