import type { Model } from '../content/model.ts';
import { groupModels } from '../content/model-rules.ts';
import type { Store } from '../store/store.ts';
import { ShoalError } from '../util/errors.ts';
import type { FetchWantedModels } from './fetch-wanted-models.ts';
import type { ModelLocator } from './locate-models.ts';
import type { Offer } from './offers.ts';
import type { ModelState, ModelView, ProblemView } from './views.ts';

export interface ModelViewsParts {
  readonly store: Store;
  readonly locator: ModelLocator;
  readonly wanted: FetchWantedModels;
  readonly selfName: string;
  readonly nameOf: (peerId: string) => string;
}

/** Puts together what this node has, wants and knows of into one view per model. */
export class ModelViews {
  readonly #parts: ModelViewsParts;

  constructor(parts: ModelViewsParts) {
    this.#parts = parts;
  }

  /** `local`: what is here, wanted here or damaged here; `fleet`: everything that anybody has. */
  list(scope: 'local' | 'fleet'): ModelView[] {
    const { store, locator } = this.#parts;
    const unverified = this.#unverified();
    const ids = new Set<string>(store.catalog.models().map(({ id }) => id));
    for (const { name } of store.wants.list()) ids.add(name);
    for (const id of unverified.keys()) ids.add(id);
    if (scope === 'fleet') for (const { id } of locator.offers) ids.add(id);
    return [...ids].sort().map((id) => this.#view(id, unverified));
  }

  /** What is wanted here, or lies here damaged or unhashed, and is not installed. */
  unfinished(): ModelView[] {
    const { store } = this.#parts;
    const unverified = this.#unverified();
    const ids = new Set([...store.wants.list().map(({ name }) => name), ...unverified.keys()]);
    return [...ids].filter((id) => store.catalog.findModel(id)?.id !== id).map((id) => this.#view(id, unverified));
  }

  /** @throws ShoalError `not-found` */
  get(idOrAlias: string): ModelView {
    const id = this.resolve(idOrAlias);
    if (id !== undefined) return this.#view(id, this.#unverified());
    throw new ShoalError('not-found', `nobody knows a model ${idOrAlias}`, {
      remedy: 'See "shoal ls --fleet" for what there is.',
    });
  }

  /** The id that a name leads to, here first, then in the fleet and on the origins. */
  resolve(idOrAlias: string): string | undefined {
    const { store, locator } = this.#parts;
    if (store.wants.get(idOrAlias) !== undefined || this.#unverified().has(idOrAlias)) return idOrAlias;
    return store.catalog.findModel(idOrAlias)?.id ?? locator.offers.find(idOrAlias)?.id;
  }

  /** Models of which some file is there but not verified, with the worst that is known of it. */
  #unverified(): Map<string, 'settling' | 'hashing' | 'corrupt'> {
    const { catalog } = this.#parts.store;
    const files = catalog.unverified();
    const states = new Map<string, 'settling' | 'hashing' | 'corrupt'>();
    if (files.size === 0) return states;
    for (const { id, paths } of groupModels(files.keys())) {
      const reasons = paths.map((path) => files.get(path));
      states.set(id, reasons.includes('corrupt') ? 'corrupt' : reasons.includes('hashing') ? 'hashing' : 'settling');
    }
    return states;
  }

  /** Of a model that lies here damaged: it is not installed, and can be verified all the same. */
  damagedFiles(id: string): string[] {
    const files = this.#parts.store.catalog.unverified();
    const model = groupModels(files.keys()).find((one) => one.id === id);
    return model?.paths.filter((path) => files.get(path) === 'corrupt') ?? [];
  }

  #view(id: string, unverified: ReadonlyMap<string, string>): ModelView {
    const { store, locator, nameOf, selfName } = this.#parts;
    const local = store.catalog.findModel(id);
    const here = local?.id === id ? local : undefined;
    const want = store.wants.get(id);
    const offer = locator.offers.find(id, want?.digest ?? here?.digest) ?? locator.offers.find(id);
    const nodes = offer?.peers.map(nameOf) ?? [];
    const said: Model | Offer | undefined = here ?? offer;
    const problem = here === undefined ? this.#problem(id, unverified.get(id)) : undefined;
    return {
      id,
      aliases: said?.aliases ?? [],
      ...(said?.digest === undefined ? {} : { digest: said.digest }),
      sizeBytes: said?.sizeBytes ?? 0,
      files: said?.files ?? [],
      state: here === undefined ? this.#state(id, unverified.get(id)) : 'installed',
      pinned: store.wants.isPinned(id),
      wanted: want !== undefined,
      nodes: (here === undefined ? nodes : [selfName, ...nodes]).sort(),
      origins: offer?.origins ?? [],
      ...(said?.metadata === undefined ? {} : { metadata: { ...said.metadata } }),
      ...(problem === undefined ? {} : { problem }),
    };
  }

  #state(id: string, unverified: string | undefined): ModelState {
    if (unverified === 'corrupt') return 'corrupt';
    const { store, wanted } = this.#parts;
    if (wanted.isActive(id)) return 'fetching';
    if (store.wants.get(id) !== undefined || unverified !== undefined) return 'queued';
    return 'missing';
  }

  #problem(id: string, unverified: string | undefined): ProblemView | undefined {
    if (unverified === 'corrupt') {
      return {
        code: 'verification-failed',
        message: 'a file of it is damaged, or shorter than its header says',
        remedy: 'Delete the file: if the model is wanted, it is fetched again.',
      };
    }
    return this.#parts.wanted.problemOf(id);
  }
}
