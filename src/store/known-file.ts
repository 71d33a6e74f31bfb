import type { ModelMetadata } from '../content/metadata.ts';
import { decodeStamp, encodeStamp, type FileStamp } from './file-stamp.ts';

/** A file as it was when its bytes were last hashed. */
export interface KnownFile {
  readonly stamp: FileStamp;
  readonly sha256: string;
  readonly manifest: string;
  readonly metadata?: ModelMetadata;
}

/** One that was hashed once; it may be gone for now (an unmounted disk), or known to be damaged. */
export interface RememberedFile extends KnownFile {
  /** Milliseconds since the epoch. */
  readonly lostAt?: number;
  readonly damaged?: true;
}

/** For JSON, in level and in a published directory. */
export type StoredFile = Omit<RememberedFile, 'stamp'> & { readonly stamp: string };

export function encodeFile({ stamp, ...rest }: RememberedFile): StoredFile {
  return { ...rest, stamp: encodeStamp(stamp) };
}

/** Undefined for what `encodeFile` did not write: such a file is hashed again. */
export function decodeFile({ stamp, ...rest }: StoredFile): RememberedFile | undefined {
  const decoded = typeof stamp === 'string' ? decodeStamp(stamp) : undefined;
  return decoded === undefined ? undefined : { ...rest, stamp: decoded };
}
