import { rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errnoOf, ShoalError } from '../util/errors.ts';
import type { Log } from '../util/log.ts';
import type { Catalog } from './catalog.ts';

/** Deletes models; the catalog lets go of them first, so that they are withdrawn before the first byte is touched. */
export class Remover {
  readonly #modelsDir: string;
  readonly #parts: { readonly catalog: Catalog; readonly log: Log };

  constructor(options: { readonly modelsDir: string }, parts: { readonly catalog: Catalog; readonly log: Log }) {
    this.#modelsDir = options.modelsDir;
    this.#parts = parts;
  }

  /**
   * `withdrawn` is awaited between the withdrawal and the deletion: there the fleet and the orchestrators are told.
   * @throws ShoalError `not-found`
   */
  async remove(idOrAlias: string, withdrawn: () => Promise<void>): Promise<void> {
    const { catalog, log } = this.#parts;
    const model = catalog.findModel(idOrAlias);
    if (model === undefined) throw new ShoalError('not-found', `${idOrAlias} is not installed here`);
    await catalog.batch(async () => {
      for (const file of model.files) await catalog.removeFile(file.path);
    });
    await withdrawn();
    for (const file of model.files) {
      const path = join(this.#modelsDir, file.path);
      await rm(path, { force: true });
      await this.#pruneEmpty(dirname(file.path));
    }
    log.info({ model: model.id, bytes: model.sizeBytes }, 'model removed');
  }

  /** Folders that only held the model go with it; the top-level ones (`checkpoints`, `loras` …) stay for programs. */
  async #pruneEmpty(folder: string): Promise<void> {
    for (let at = folder; at.includes('/'); at = dirname(at)) {
      try {
        await rmdir(join(this.#modelsDir, at));
      } catch (error) {
        if (['ENOTEMPTY', 'EEXIST', 'ENOENT', 'EBUSY', 'EACCES', 'EPERM'].includes(errnoOf(error) ?? '')) return;
        throw error;
      }
    }
  }
}
