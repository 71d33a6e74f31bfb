import type { ServerResponse } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ShoalError } from '../../util/errors.ts';

/** Large enough to be cheap, small enough that other requests get their turn. */
const CHUNK_BYTES = 256 * 1024;
/** One is on its way while the other is filled. */
const BUFFERS_EACH = 2;
/** Kept for the next one. */
const IDLE_MAX = 4;

/**
 * Sends large documents as quickly as their readers take them, with two buffers for each: neither garbage nor a reader that
 * has fallen asleep makes the memory grow.
 */
export class ChunkSender {
  readonly #maxReaders: number;
  readonly #idle: Buffer[] = [];
  #sending = 0;

  constructor(options: { readonly maxReaders: number }) {
    this.#maxReaders = options.maxReaders;
  }

  /** @throws ShoalError `source-busy` when too many are being sent */
  admit(): void {
    if (this.#sending < this.#maxReaders) return;
    throw new ShoalError('source-busy', `${this.#maxReaders} callers read large documents already`, {
      remedy: 'Ask again in a second; read pages, or ask with If-None-Match.',
      fields: { retryAfter: '1' },
    });
  }

  /** `chunks` makes the document in the memory that it is lent. Ends early, in silence, when the reader has gone. */
  async send(response: ServerResponse, chunks: (lend: () => Buffer) => Iterable<Buffer>): Promise<void> {
    const own = Array.from({ length: BUFFERS_EACH }, () => this.#idle.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES));
    let lent = 0;
    const lend = (): Buffer => own[lent++ % BUFFERS_EACH] ?? Buffer.allocUnsafeSlow(CHUNK_BYTES);
    const gone = new Promise<'gone'>((resolve) => response.once('close', () => resolve('gone')));
    const onItsWay: Promise<'written' | 'gone'>[] = [];
    this.#sending += 1;
    try {
      for (const chunk of chunks(lend)) {
        onItsWay.push(written(response, chunk));
        // The buffer that is filled next must have left; and whoever else waits for this thread has a turn.
        const oldest = onItsWay.length < BUFFERS_EACH ? undefined : onItsWay.shift();
        if ((await Promise.race([oldest, gone])) === 'gone') return;
        await nextTurn();
      }
      response.end();
      // A buffer that may still be on its way is not kept.
      for (const last of onItsWay) if ((await Promise.race([last, gone])) === 'gone') return;
      this.#idle.push(...own.slice(0, Math.max(0, IDLE_MAX - this.#idle.length)));
    } catch (error) {
      response.destroy();
      throw error;
    } finally {
      this.#sending -= 1;
    }
  }
}

function written(response: ServerResponse, chunk: Buffer): Promise<'written' | 'gone'> {
  return new Promise((resolve) => {
    response.write(chunk, (error) => resolve(error === undefined || error === null ? 'written' : 'gone'));
  });
}
