import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { messageOf, ShoalError } from '../util/errors.ts';
import type { Log } from '../util/log.ts';

/** SQLITE_BUSY: somebody holds the lock. */
const HELD_BY_ANOTHER = 5;

/**
 * One daemon per models directory: a second one, with a data directory of its own, would take the partial files of the
 * first for strays and delete them. A lock of the kernel on a file, because that vanishes with the process, `kill -9`
 * included, and holds between containers, too. SQLite is the one part of Node that takes such a lock; nothing is stored.
 */
export class DirectoryLock implements Disposable {
  readonly #database: DatabaseSync | undefined;

  private constructor(database: DatabaseSync | undefined) {
    this.#database = database;
  }

  /**
   * A file system that knows no locks, or is too full for an empty file, keeps no daemon from starting.
   * @param folder exists, and belongs to us
   * @throws ShoalError `conflict` when another daemon holds it
   */
  static take(
    { modelsDir, folder }: { readonly modelsDir: string; readonly folder: string },
    { log }: { readonly log: Log },
  ): DirectoryLock {
    let database: DatabaseSync | undefined;
    try {
      database = new DatabaseSync(join(folder, 'lock'));
      // Without a journal nothing is ever written.
      database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
      return new DirectoryLock(database);
    } catch (error) {
      database?.close();
      if ((error as { errcode?: unknown }).errcode === HELD_BY_ANOTHER) {
        throw new ShoalError('conflict', `another daemon uses the models directory ${modelsDir}`, {
          cause: error,
          remedy: 'Stop it, or give this one its own --models directory.',
        });
      }
      log.warn(
        { modelsDir, problem: messageOf(error), remedy: 'Make sure that no other daemon uses this directory.' },
        'models directory cannot be locked',
      );
      return new DirectoryLock(undefined);
    }
  }

  [Symbol.dispose](): void {
    this.#database?.close();
  }
}
