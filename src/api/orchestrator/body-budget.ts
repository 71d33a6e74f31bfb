import { ShoalError } from '../../util/errors.ts';

/** Smaller bodies are not counted. */
const LARGE_BYTES = 256 * 1024;

/** Bounds what large request bodies may hold of memory at one time, over all callers. */
export class BodyBudget {
  readonly #maxBytes: number;
  #usedBytes = 0;

  constructor(options: { maxBytes: number }) {
    this.#maxBytes = options.maxBytes;
  }

  /** Returns what gives it back. @throws ShoalError `source-busy` */
  take(contentLength: string | undefined, bodyLimit: number): () => void {
    const said = contentLength === undefined ? bodyLimit : Number(contentLength);
    // A body that does not tell its length may become as long as it is let.
    const bytes = Math.min(said, bodyLimit);
    if (!(bytes > LARGE_BYTES)) return () => undefined;
    if (this.#usedBytes + bytes > this.#maxBytes) {
      throw new ShoalError('source-busy', 'too many large requests are being read', {
        remedy: 'Send it again in a second.',
        fields: { retryAfter: '1' },
      });
    }
    this.#usedBytes += bytes;
    let isTaken = true;
    return () => {
      if (isTaken) this.#usedBytes -= bytes;
      isTaken = false;
    };
  }
}
