import { chmod, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Level } from 'level';
import { ShoalError } from '../util/errors.ts';
import { asDiskFull } from './disk-full.ts';
import { makeDirectory } from './make-directory.ts';
import { type DatabaseAccess, LevelTable, type Sublevel, type Table } from './table.ts';

export type { Table } from './table.ts';

/** Nearly everything is read once, at the start, and then kept in memory in another form. */
const CACHE_BYTES = 1024 * 1024;
/** What was written last, twice at most. */
const WRITE_BUFFER_BYTES = 1024 * 1024;
/** What it takes to open it: what was written last as a table, and a new log of the same size. */
const ROOM_BYTES = 4 * WRITE_BUFFER_BYTES;

const COST = 'models are hashed again, wants and pins must be given again.';

/**
 * The daemon's state on disk, a level database in `<data>/state`; each part keeps its own table.
 *
 * Invariant: what a write has resolved for is there after a restart (not after a loss of power). Level alone does not
 * give that: after a write that failed for lack of space its log is torn, and what is written behind the tear is taken,
 * and skipped at the next start; when it could not write a table, it refuses every write for ever. So after a failure it
 * is opened anew before anything else is written, and writes go one after the other, lest one is behind the tear already.
 */
export class Database implements AsyncDisposable {
  readonly #level: Level;
  readonly #dataDir: string;
  readonly #sublevels: { open(): Promise<void> }[] = [];
  readonly #reads = new Set<Promise<unknown>>();
  #writing: Promise<void> = Promise.resolve();
  #reopening: Promise<void> | undefined;
  /** A write has failed. */
  #isTorn = false;
  /** Being opened anew, or that has failed: nothing can be read, either. */
  #isShut = false;
  #isClosed = false;

  private constructor(level: Level, dataDir: string) {
    this.#level = level;
    this.#dataDir = dataDir;
  }

  /** @throws ShoalError `conflict` when another daemon has it open */
  static async open(dataDir: string): Promise<Database> {
    await makeDirectory(dataDir, { what: { name: 'the data directory', flag: '--data' }, mode: 0o700 });
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
      // Or somebody would throw it away for that.
      const full = asDiskFull(error);
      if (full !== error) throw full;
      throw new ShoalError('internal', `the state in ${path} cannot be opened`, {
        cause: error,
        remedy: `If it is damaged, move ${path} away: ${COST}`,
      });
    }
    await chmod(path, 0o700);
    return new Database(level, dataDir);
  }

  json<V>(name: string): Table<V> {
    return this.#table(this.#level.sublevel<string, V>(name, { valueEncoding: 'json' }));
  }

  bytes(name: string): Table<Uint8Array> {
    return this.#table(this.#level.sublevel<string, Uint8Array>(name, { valueEncoding: 'view' }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#writing;
    await this.#reopening?.catch(() => undefined);
    await this.#level.close();
  }

  #table<V>(sublevel: Sublevel<V>): Table<V> {
    this.#sublevels.push(sublevel);
    const access: DatabaseAccess = {
      read: (work) => this.#read(work),
      write: (work) => this.#write(work),
    };
    return new LevelTable(sublevel, access);
  }

  async #read<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isShut) await this.#openAnew();
    const reading = work();
    this.#reads.add(reading);
    try {
      return await reading;
    } catch (error) {
      throw this.#asDamage(error);
    } finally {
      this.#reads.delete(reading);
    }
  }

  #asDamage(error: unknown): unknown {
    const { code } = error as { code?: unknown };
    if (code !== 'LEVEL_CORRUPTION' && code !== 'LEVEL_DECODE_ERROR') return error;
    const path = join(this.#dataDir, 'state');
    const remedy = `Check the disk (smartctl, dmesg), and move ${path} away: ${COST}`;
    return new ShoalError('internal', `the state in ${path} is damaged`, { cause: error, remedy });
  }

  #write(work: () => Promise<void>): Promise<void> {
    const writing = this.#writing.then(async () => {
      try {
        if (this.#isTorn || this.#isShut) await this.#openAnew();
        await work();
      } catch (error) {
        this.#isTorn ||= isOfTheDisk(error);
        throw asDiskFull(error);
      }
    });
    this.#writing = writing.catch(() => undefined);
    return writing;
  }

  #openAnew(): Promise<void> {
    this.#reopening ??= this.#reopen().finally(() => {
      this.#reopening = undefined;
    });
    return this.#reopening;
  }

  async #reopen(): Promise<void> {
    // While the disk is full it stays open as it is: what is known can be read.
    if (!this.#isShut) await this.#tryRoom();
    if (this.#isClosed) throw new ShoalError('conflict', 'the state is closed');
    this.#isShut = true;
    await Promise.allSettled(this.#reads);
    await this.#level.close();
    await this.#level.open();
    await Promise.all(this.#sublevels.map((sublevel) => sublevel.open()));
    this.#isTorn = false;
    this.#isShut = false;
  }

  /** @throws ENOSPC */
  async #tryRoom(): Promise<void> {
    const path = join(this.#dataDir, 'room');
    try {
      await using file = await open(path, 'w', 0o600);
      await file.writeFile(new Uint8Array(ROOM_BYTES));
      await file.sync();
    } finally {
      await rm(path, { force: true });
    }
  }
}

/** Not that a value cannot be encoded, or that it is closed. */
function isOfTheDisk(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return code === 'LEVEL_IO_ERROR' || code === 'LEVEL_CORRUPTION';
}
