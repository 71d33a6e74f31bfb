import { draftId } from '../content/draft.ts';
import type { Store } from '../store/store.ts';
import type { OriginCopy } from '../transfer/origin-copy.ts';
import { messageOf } from '../util/errors.ts';
import type { Log } from '../util/log.ts';
import type { Offer } from './offers.ts';

export interface LeftoversParts {
  readonly store: Store;
  readonly copies: OriginCopy;
  readonly log: Log;
}

/** Takes away what attempts have left on the disk when nobody needs it any more. Nothing here rejects. */
export class Leftovers {
  readonly #parts: LeftoversParts;
  readonly #told = new Map<string, string>();

  constructor(parts: LeftoversParts) {
    this.#parts = parts;
  }

  /** What is in place of a model that is not whole. False when it cannot go now. */
  async takeBack(id: string): Promise<boolean> {
    const { installer } = this.#parts.store;
    if (!installer.unfinished().includes(id)) return true;
    return await this.#tried(id, () => installer.abandon(id));
  }

  /** Pieces and copies of an offer's files, but for the blobs that somebody else needs. */
  async discard({ id, files, origins }: Offer, needed: ReadonlySet<string | undefined>): Promise<void> {
    const { store, copies } = this.#parts;
    await this.#tried(id, async () => {
      for (const file of files) {
        const name = file.sha256 ?? draftId(file);
        if (name === undefined) for (const url of origins) await copies.discard({ url }, file.path);
        else if (!needed.has(name) && store.partials.find(name) !== undefined) await store.partials.discard(name);
      }
    });
  }

  /** What was begun of the offer's files before they were written again: there may be no room beside it. */
  async discardOlder({ id, files }: Offer): Promise<void> {
    const { partials } = this.#parts.store;
    await this.#tried(id, async () => {
      for (const file of files) {
        const { path, modifiedNs } = file;
        if (file.sha256 === undefined && modifiedNs !== undefined)
          await partials.discardOlderDrafts({ path, modifiedNs });
      }
    });
  }

  async #tried(id: string, work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      this.#told.delete(id);
      return true;
    } catch (error) {
      const problem = messageOf(error);
      if (this.#told.get(id) !== problem)
        this.#parts.log.error({ model: id, problem }, 'leftovers cannot be taken away');
      this.#told.set(id, problem);
      return false;
    }
  }
}
