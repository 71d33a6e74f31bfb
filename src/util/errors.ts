/**
 * Every failure a caller can act on, by what the caller can do about it. One table each maps a code to an HTTP status
 * (api), an exit code (cli) and a penalty (transfer).
 */
export type ErrorCode =
  | 'invalid' // the input is malformed: fix the input
  | 'not-found' // nobody knows it
  | 'conflict' // the present state forbids it
  | 'unauthorized' // a token is missing or wrong
  | 'disk-full' // free space, then try again
  | 'piece-corrupt' // the bytes do not match their hash: blame the sender, ask another
  | 'source-lied' // the source broke the protocol or claimed what it does not have: blame it
  | 'source-stalled' // no bytes in time: ask another, come back later
  | 'source-gone' // the source cannot be reached any more
  | 'source-busy' // the source asked to be left alone for now
  | 'verification-failed' // the whole does not match its sha256
  | 'changed' // a file changed under us: hash it again
  | 'unreachable' // the daemon, an origin or an orchestrator does not answer
  | 'internal'; // a defect of ours

export interface ShoalErrorOptions {
  readonly cause?: unknown;
  /** What a person can do about it, as a full sentence. */
  readonly remedy?: string;
  /** Facts for logs and problem documents, e.g. `{ missingBytes: 1024 }`. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

export class ShoalError extends Error {
  readonly code: ErrorCode;
  readonly remedy: string | undefined;
  readonly fields: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: ShoalErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ShoalError';
    this.code = code;
    this.remedy = options.remedy;
    this.fields = options.fields ?? {};
  }
}

export function codeOf(error: unknown): ErrorCode {
  return error instanceof ShoalError ? error.code : 'internal';
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** An abort is not an error: callers that were told to stop let it pass silently. */
export function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === 'AbortError' || error.name === 'TimeoutError');
}

/** The errno of a failed system call (`ENOENT`, `ENOSPC` …), if that is what `error` is. */
export function errnoOf(error: unknown): string | undefined {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return typeof code === 'string' && /^E[A-Z0-9]+$/.test(code) ? code : undefined;
}
