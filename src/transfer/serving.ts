import type { FileStamp } from '../store/file-stamp.ts';
import type { Log } from '../util/log.ts';
import type { RateLimiter } from './bandwidth.ts';
import type { DataPlane } from './data-plane.ts';

/** Where the bytes of a blob are on this disk. */
export type ServedBlob =
  | { readonly kind: 'file'; readonly path: string; readonly stamp: FileStamp }
  | {
      readonly kind: 'partial';
      readonly path: string;
      readonly sizeBytes: number;
      readonly have: { has(index: number): boolean };
    };

/** What serving stands on, whatever the transport. */
export interface ServingParts {
  readonly plane: DataPlane;
  /** Undefined for what this node does not hold; a partial only serves the pieces it has. */
  readonly locate: (sha256: string) => ServedBlob | undefined;
  /** A file was found to differ from what was hashed: it is to be withdrawn now and hashed again. */
  readonly onChanged: (blob: { readonly sha256: string; readonly path: string }) => void;
  readonly limiter: RateLimiter;
  readonly log: Log;
}
