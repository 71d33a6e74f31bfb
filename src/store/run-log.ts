import { appendFile, readFile, truncate } from 'node:fs/promises';
import { join } from 'node:path';

const LENGTH_BYTES = 4;
/** No run is longer. */
const MAX_RUN_BYTES = 64 * 1024;

export function runLogPath(dir: string, draft: string): string {
  return join(dir, `${draft}.runs`);
}

/**
 * What is known of the hashes of a file that nobody has hashed yet, so that a partial of it can be checked again after a
 * restart: signed runs as they travel, each with its length (u32, little-endian) in front, appended as they come. What
 * is lost of it is fetched again.
 */
export class RunLog {
  readonly #path: string;
  #writing: Promise<unknown> = Promise.resolve();
  #isClosed = false;
  #isTorn = false;

  constructor(options: { readonly dir: string; readonly draft: string }) {
    this.#path = runLogPath(options.dir, options.draft);
  }

  /** A kill or a loss of power can leave a part of one, and what is appended after it would be read askew: it is cut off. */
  async read(): Promise<Uint8Array[]> {
    let log: Buffer;
    try {
      log = await readFile(this.#path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
    const runs: Uint8Array[] = [];
    let whole = 0;
    while (whole + LENGTH_BYTES <= log.length) {
      const length = log.readUInt32LE(whole);
      const end = whole + LENGTH_BYTES + length;
      if (length === 0 || length > MAX_RUN_BYTES || end > log.length) break;
      runs.push(log.subarray(whole + LENGTH_BYTES, end));
      whole = end;
    }
    if (whole < log.length) await truncate(this.#path, whole);
    return runs;
  }

  /** Resolves when it is written, or could not be: a full disk stops the pieces, too. */
  async append(run: Uint8Array): Promise<void> {
    if (this.#isClosed) return;
    const record = Buffer.alloc(LENGTH_BYTES + run.length);
    record.writeUInt32LE(run.length);
    record.set(run, LENGTH_BYTES);
    this.#writing = this.#writing
      .then(() => (this.#isTorn ? undefined : appendFile(this.#path, record)))
      .catch(() => {
        // Nothing after what may be a part of one: the next attempt cuts it off.
        this.#isTorn = true;
      });
    await this.#writing;
  }

  /** Resolves when nothing more is written: the file may go. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#writing;
  }
}
