import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { AbstractSublevel } from 'abstract-level';
import { Level } from 'level';
import { ShoalError } from '../util/errors.ts';

export type Table<V> = AbstractSublevel<Level, string | Buffer | Uint8Array, string, V>;

/** Nearly everything is read once, at the start, and then kept in memory in another form. */
const CACHE_BYTES = 1024 * 1024;
/** What was written last, twice at most. */
const WRITE_BUFFER_BYTES = 1024 * 1024;

/** The daemon's state on disk, a level database in `<data>/state`; each part keeps its own table. */
export class Database implements AsyncDisposable {
  readonly #level: Level;

  private constructor(level: Level) {
    this.#level = level;
  }

  /** @throws ShoalError `conflict` when another daemon has it open */
  static async open(dataDir: string): Promise<Database> {
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    const path = join(dataDir, 'state');
    const level = new Level(path, { cacheSize: CACHE_BYTES, writeBufferSize: WRITE_BUFFER_BYTES });
    try {
      await level.open();
    } catch (error) {
      if ((error as { cause?: { code?: string } }).cause?.code === 'LEVEL_LOCKED') {
        throw new ShoalError('conflict', `another daemon uses the data directory ${dataDir}`, {
          cause: error,
          remedy: 'Stop it, or give this one its own --data directory.',
        });
      }
      throw new ShoalError('internal', `the state in ${path} cannot be opened`, {
        cause: error,
        remedy: `If it is damaged, move ${path} away: models are hashed again, wants and pins must be given again.`,
      });
    }
    await chmod(path, 0o700);
    return new Database(level);
  }

  json<V>(name: string): Table<V> {
    return this.#level.sublevel<string, V>(name, { valueEncoding: 'json' });
  }

  bytes(name: string): Table<Uint8Array> {
    return this.#level.sublevel<string, Uint8Array>(name, { valueEncoding: 'view' });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#level.close();
  }
}
