import type { OriginLook } from './origin-share.ts';
import type { OriginPolicy } from './picker.ts';

/** Which pieces this node reads from origins, for the sake of all nodes that fetch the blob. */
export interface OriginRule {
  /** Whether the last look allowed anything but what is late; absent where that is not known. */
  readonly reads?: boolean;
  /** When to look again although nothing has happened; in the past when there is no such time. */
  readonly wakeMs: number;
  /** The peer has, for now, what all others are to have from it, although it has not everything. */
  isSeed?(fetcher: string): boolean;
  /** The fetcher has one more piece. */
  gained(fetcher: string, nowMs: number): void;
  look(look: OriginLook): OriginPolicy;
}
