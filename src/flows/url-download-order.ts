import type { ErrorCode } from '../util/errors.ts';
import type { SourcePlace } from './source-url.ts';

/** What the worker of a download is told, and what it tells. */
export interface UrlDownloadOrder {
  readonly place: SourcePlace;
  readonly file: string;
  /** `Infinity` for no limit. */
  readonly bytesPerSecond: number;
}

export type UrlDownloadFact =
  /** The worker waits for a message before it writes. */
  | { readonly kind: 'begins'; readonly bytesTotal: number; readonly bytesDone: number }
  | { readonly kind: 'progress'; readonly bytesDone: number }
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly message: string };
