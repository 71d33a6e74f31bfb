import type { Store } from '../store/store.ts';
import { ShoalError } from '../util/errors.ts';
import { shellWord } from '../util/shell-word.ts';
import type { FetchWantedModels } from './fetch-wanted-models.ts';
import type { ModelViews } from './model-views.ts';
import type { Orchestration } from './orchestration.ts';

export interface ModelRemovalParts {
  readonly store: Store;
  readonly wanted: Pick<FetchWantedModels, 'callOff'>;
  readonly views: ModelViews;
  readonly orchestration: Pick<Orchestration, 'catalog' | 'withdrawn'>;
}

/** Ends the want, and deletes what is here of the model. @throws ShoalError `not-found`, `conflict` */
export async function removeModel(idOrAlias: string, parts: ModelRemovalParts): Promise<void> {
  const { store, wanted, views, orchestration } = parts;
  const { id, pinned } = views.get(idOrAlias);
  if (pinned) {
    throw new ShoalError('conflict', `${id} is pinned here`, { remedy: `Run "shoal unpin ${shellWord(id)}" first.` });
  }
  // First, or what is registered would be wanted again at once.
  const digest = store.wants.get(id)?.digest;
  if (digest !== undefined) await forgetUnlessElsewhere({ id, digest }, parts);
  // What there is of it on its way goes with the want.
  await wanted.callOff(id);
  const here = store.catalog.findModel(id);
  // Not one that is only called so: it is another model, and nobody asked to delete that.
  if (here?.id !== id) {
    await removeDamaged(id, parts);
    return;
  }
  await forgetUnlessElsewhere(here, parts);
  await store.remover.remove(id, () => orchestration.withdrawn(id));
}

/** What is registered of bytes that another model here has as well is still here, and is called so. */
async function forgetUnlessElsewhere(
  { id, digest }: { readonly id: string; readonly digest: string },
  { store, orchestration }: ModelRemovalParts,
): Promise<void> {
  const isElsewhere = store.catalog.models().some((other) => other.digest === digest && other.id !== id);
  if (!isElsewhere) await orchestration.catalog.forgetDigest(digest);
}

/** What lies here of it, if it is damaged. Of several files the others may be somebody's: they are named, not deleted. */
async function removeDamaged(id: string, { store, views }: ModelRemovalParts): Promise<void> {
  const damaged = views.damagedFiles(id);
  if (damaged.length === 0) return;
  // What somebody has written since it was last right is theirs: it is named, not deleted.
  if (damaged[0] === id && (await store.remover.removeDamaged(id)) === 'deleted') return;
  throw new ShoalError('conflict', `${id} is not wanted any more, but is damaged and stays: ${damaged.join(', ')}`, {
    remedy: 'Delete these files, and what else of it is of no use, in the models directory.',
  });
}
