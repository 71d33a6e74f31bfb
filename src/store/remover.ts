import { lstat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, isAbort, ShoalError } from '../util/errors.ts';
import type { Log } from '../util/log.ts';
import type { Catalog } from './catalog.ts';
import type { ClaimedPaths } from './claimed-paths.ts';
import type { Database, Table } from './database.ts';
import { decodeStamp, encodeStamp, type FileStamp, sameButLinks, stampOf } from './file-stamp.ts';
import type { Folders } from './folders.ts';
import { removalOrder } from './install-order.ts';
import { restampTwins } from './restamp-twins.ts';

/** How far a removal has come; a test kills the process there. */
export type RemovalStep = 'noted' | 'withdrawn' | 'unlinked' | 'done';

export interface RemoverParts {
  readonly catalog: Catalog;
  readonly claims: ClaimedPaths;
  readonly folders: Folders;
  readonly database: Database;
  readonly log: Log;
}

interface Doomed {
  readonly path: string;
  readonly stamp: string;
  readonly sha256: string;
}

/** Noted by an earlier run, which did not come to its end. */
interface Interrupted {
  readonly id: string;
  readonly doomed: readonly Doomed[];
  readonly claim: Disposable;
}

/**
 * Order: note what goes → withdraw → tell everybody (the caller) → unlink, what makes a folder a model first → forget the
 * note. A removal that a crash interrupted goes on at the next start, from the withdrawal. Only the very file that was catalogued is
 * deleted, never one that has taken its name since.
 */
export class Remover {
  readonly #options: { readonly modelsDir: string; readonly onStep: (step: RemovalStep, path: string) => void };
  readonly #parts: Omit<RemoverParts, 'database'>;
  readonly #notes: Table<Doomed[]>;
  readonly #interrupted: Interrupted[] = [];

  constructor(
    options: { readonly modelsDir: string; readonly onStep?: (step: RemovalStep, path: string) => void },
    parts: RemoverParts,
  ) {
    this.#options = { onStep: () => undefined, ...options };
    this.#parts = parts;
    this.#notes = parts.database.json('removals');
  }

  /**
   * `withdrawn` is awaited between the withdrawal and the deletion: there the fleet and the orchestrators are told. If it
   * throws, because the daemon ends, the note stays and the next start completes the removal.
   * @throws ShoalError `not-found`
   */
  async remove(idOrAlias: string, withdrawn: () => Promise<void>): Promise<void> {
    const { catalog, log } = this.#parts;
    const model = catalog.findModel(idOrAlias);
    if (model === undefined) throw new ShoalError('not-found', `${idOrAlias} is not installed here`);
    const doomed = removalOrder(model.files.map(({ path }) => path)).flatMap((path) => {
      const file = catalog.fileAt(path);
      return file === undefined ? [] : [{ path, stamp: encodeStamp(file.stamp), sha256: file.sha256 }];
    });
    const claim = this.#claim(doomed);
    try {
      await this.#withdraw(model.id, doomed);
      await withdrawn();
      await this.#delete(model.id, doomed);
    } finally {
      claim[Symbol.dispose]();
    }
    log.info({ model: model.id, bytes: model.sizeBytes }, 'model removed');
  }

  /** A model of one file that is damaged, which was withdrawn when that was found. */
  async removeDamaged(path: string): Promise<'deleted' | 'stays'> {
    const { catalog, claims, folders, log } = this.#parts;
    const known = catalog.rememberedAt(path);
    if (known === undefined) return 'stays';
    const claim = claims.claim([path]);
    try {
      // The stamp is the one with which it was found damaged.
      await this.#deleteOne(path, known.sha256, known.stamp);
      const left = await lstat(join(this.#options.modelsDir, path)).catch(() => undefined);
      if (left !== undefined) return 'stays';
      await catalog.removeFile(path);
      await folders.pruneAround(path, path);
    } finally {
      claim[Symbol.dispose]();
    }
    catalog.refresh();
    log.info({ model: path }, 'damaged model removed');
    return 'deleted';
  }

  /** What a crash interrupted is not here any more, although its files may be. Call before the first scan. */
  async recall(): Promise<void> {
    for (const [id, doomed] of await this.#notes.iterator().all()) {
      this.#interrupted.push({ id, doomed, claim: this.#claim(doomed) });
      // The crash may have come before the hold was written.
      await this.#withdraw(id, doomed);
    }
  }

  /**
   * Completes what a crash interrupted: an earlier run may not have told everybody, so `withdrawn` is awaited as in
   * `remove`. What cannot be deleted now is tried again at the next start.
   * @throws AbortError when `withdrawn` does, because the daemon ends
   */
  async complete(withdrawn: (id: string) => Promise<void>): Promise<void> {
    const { log } = this.#parts;
    // Side by side: an orchestrator that is away must not make each of them wait in turn.
    const removals = this.#interrupted.splice(0).map(async ({ id, doomed, claim }) => {
      try {
        await withdrawn(id);
        await this.#delete(id, doomed);
        log.info({ model: id }, 'removal that was interrupted is completed');
      } catch (error) {
        if (isAbort(error)) throw error;
        log.error({ model: id, err: error }, 'model cannot be removed, it is tried again at the next start');
      } finally {
        claim[Symbol.dispose]();
      }
    });
    const results = await Promise.allSettled(removals);
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }

  /** Or a scan would hash what is about to be deleted. */
  #claim(doomed: readonly Doomed[]): Disposable {
    const { catalog, claims } = this.#parts;
    // The other names as well: their change time moves with each one that goes.
    return claims.claim(doomed.flatMap(({ path, sha256 }) => [path, ...catalog.pathsOf(sha256)]));
  }

  async #withdraw(id: string, doomed: readonly Doomed[]): Promise<void> {
    const { catalog } = this.#parts;
    const paths = doomed.map(({ path }) => path);
    await this.#notes.put(id, [...doomed]);
    this.#options.onStep('noted', id);
    // Held, so that a scan that finds the files still there does not bring the model back.
    await Promise.all([...paths.map((path) => catalog.removeFile(path)), catalog.hold(id, paths)]);
    this.#options.onStep('withdrawn', id);
  }

  async #delete(id: string, doomed: readonly Doomed[]): Promise<void> {
    const { catalog, folders } = this.#parts;
    for (const { path, stamp, sha256 } of doomed) {
      await this.#deleteOne(path, sha256, decodeStamp(stamp));
      this.#options.onStep('unlinked', path);
      await folders.pruneAround(path, id);
    }
    await this.#notes.del(id);
    await catalog.release(id);
    catalog.refresh();
    this.#options.onStep('done', id);
  }

  async #deleteOne(path: string, sha256: string, expected: FileStamp | undefined): Promise<void> {
    const { catalog, folders, log } = this.#parts;
    const { modelsDir } = this.#options;
    const absolute = join(modelsDir, path);
    const stats = await lstat(absolute, { bigint: true }).catch(() => undefined);
    if (stats === undefined || expected === undefined) return;
    if (!sameButLinks(stampOf(stats), expected) || !(await folders.isReal(path))) {
      log.warn({ path }, 'another file has taken the place of the one to be removed, it stays');
      return;
    }
    try {
      await unlink(absolute);
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
    }
    await restampTwins(modelsDir, { sha256, inode: expected.inode }, catalog);
  }
}
