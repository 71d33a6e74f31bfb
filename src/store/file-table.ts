import { messageOf } from '../util/errors.ts';
import type { Log } from '../util/log.ts';
import type { Table } from './database.ts';
import { decodeFile, encodeFile, type RememberedFile, type StoredFile } from './known-file.ts';

type Operation =
  | { readonly type: 'put'; readonly key: string; readonly value: StoredFile }
  | { readonly type: 'del'; readonly key: string };

/**
 * What is known of each file, on disk. Writes that come together become one batch. A write that fails (the state's disk
 * is full) fails nobody: what is in memory stays true, and costs a hashing after the next start.
 */
export class FileTable {
  readonly #table: Table<StoredFile>;
  readonly #log: Log;
  #operations: Operation[] = [];
  #flushing: Promise<void> | undefined;
  #failing = false;

  constructor(parts: { readonly table: Table<StoredFile>; readonly log: Log }) {
    this.#table = parts.table;
    this.#log = parts.log;
  }

  async load(): Promise<Map<string, RememberedFile>> {
    const files = new Map<string, RememberedFile>();
    for (const [path, stored] of await this.#table.iterator().all()) {
      const file = decodeFile(stored);
      if (file !== undefined) files.set(path, file);
    }
    return files;
  }

  put(path: string, file: RememberedFile): Promise<void> {
    return this.#queue({ type: 'put', key: path, value: encodeFile(file) });
  }

  delete(path: string): Promise<void> {
    return this.#queue({ type: 'del', key: path });
  }

  /** Resolves when everything queued so far has been written. */
  async flushed(): Promise<void> {
    while (this.#flushing !== undefined) await this.#flushing;
  }

  #queue(operation: Operation): Promise<void> {
    this.#operations.push(operation);
    this.#flushing ??= this.#flush();
    return this.#flushing;
  }

  async #flush(): Promise<void> {
    // Whatever this turn of the event loop still has to write goes along.
    await new Promise<void>((resolve) => setImmediate(resolve));
    while (this.#operations.length > 0) {
      const operations = this.#operations;
      this.#operations = [];
      try {
        await this.#table.batch(operations);
        this.#failing = false;
      } catch (error) {
        if (!this.#failing) {
          this.#log.warn(
            { problem: messageOf(error), remedy: 'Free space on the disk of the data directory.' },
            'what is known of files cannot be saved, they are hashed again after the next start',
          );
        }
        this.#failing = true;
      }
    }
    this.#flushing = undefined;
  }
}
