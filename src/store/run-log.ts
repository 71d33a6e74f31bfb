import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';

const LENGTH_BYTES = 4;

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

  constructor(options: { readonly dir: string; readonly draft: string }) {
    this.#path = runLogPath(options.dir, options.draft);
  }

  /** A torn last one is passed over. */
  async read(): Promise<Uint8Array[]> {
    let log: Buffer;
    try {
      log = await readFile(this.#path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
    const runs: Uint8Array[] = [];
    for (let at = 0; at + LENGTH_BYTES <= log.length; ) {
      const end = at + LENGTH_BYTES + log.readUInt32LE(at);
      if (end > log.length) break;
      runs.push(log.subarray(at + LENGTH_BYTES, end));
      at = end;
    }
    return runs;
  }

  /** Resolves when it is written, or could not be: a full disk stops the pieces, too. */
  async append(run: Uint8Array): Promise<void> {
    const record = Buffer.alloc(LENGTH_BYTES + run.length);
    record.writeUInt32LE(run.length);
    record.set(run, LENGTH_BYTES);
    this.#writing = this.#writing.then(() => appendFile(this.#path, record)).catch(() => undefined);
    await this.#writing;
  }
}
