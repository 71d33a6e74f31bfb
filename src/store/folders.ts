import { lstat, mkdir, open, realpath, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errnoOf, ShoalError } from '../util/errors.ts';
import type { Database, Table } from './database.ts';

/** Folders below the models directory that we make for models, and take away when they are empty again. */
export class Folders {
  readonly #modelsDir: string;
  readonly #made: Table<true>;

  constructor(options: { readonly modelsDir: string }, parts: { readonly database: Database }) {
    this.#modelsDir = options.modelsDir;
    this.#made = parts.database.json('folders');
  }

  /** Makes the folders around `path`, each on disk before the next. @throws ShoalError `conflict` */
  async makeAround(path: string): Promise<void> {
    let folder = '';
    for (const name of path.split('/').slice(0, -1)) {
      const parent = folder;
      folder = folder === '' ? name : `${folder}/${name}`;
      const absolute = join(this.#modelsDir, folder);
      try {
        await mkdir(absolute);
        await this.#made.put(folder, true);
        await syncDirectory(join(this.#modelsDir, parent));
      } catch (error) {
        if (errnoOf(error) !== 'EEXIST') throw error;
        // Not through a link: it could lead out of the models directory.
        if ((await lstat(absolute)).isDirectory()) continue;
        throw new ShoalError('conflict', `${folder} is in the way of ${path}: it is no folder, or a link to one`, {
          remedy: 'Move it: Shoal follows no links inside the models directory.',
        });
      }
    }
  }

  /** Takes away the empty folders around `path`: those that we made, and those that lie in the model `id`. */
  async pruneAround(path: string, id: string): Promise<void> {
    for (let folder = dirname(path); folder !== '.'; folder = dirname(folder)) {
      const isOurs = folder === id || folder.startsWith(`${id}/`) || (await this.#made.get(folder)) === true;
      if (!isOurs) return;
      try {
        await rmdir(join(this.#modelsDir, folder));
        await syncDirectory(dirname(join(this.#modelsDir, folder)));
      } catch (error) {
        if (errnoOf(error) !== 'ENOENT') return; // not empty, or not ours to delete
      }
      await this.#made.del(folder);
    }
  }

  /** True when the file is reached without any link. */
  async isReal(path: string): Promise<boolean> {
    const folder = dirname(join(this.#modelsDir, path));
    return (await realpath(folder).catch(() => undefined)) === folder;
  }
}

export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
