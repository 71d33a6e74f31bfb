import type { Model } from '../content/model.ts';
import type { Catalog } from '../store/catalog.ts';
import type { Clock } from '../util/clock.ts';
import { availableNames, digestsByName } from './heartbeat-documents.ts';
import type { Registrations } from './registrations.ts';

interface Reported {
  readonly of: readonly unknown[];
  readonly names: readonly string[];
  readonly digests: Readonly<Record<string, string>>;
}

/** What this node vouches for: the models of its catalog but those that are retired, by all their names. */
export class ReportedModels {
  readonly #parts: { readonly catalog: Catalog; readonly registrations: Registrations; readonly clock: Clock };
  #last: Reported | undefined;

  readonly #retired = new WeakMap<Model, Model>();

  constructor(parts: { readonly catalog: Catalog; readonly registrations: Registrations; readonly clock: Clock }) {
    this.#parts = parts;
  }

  /** Everything that others can fetch from here, with what is retired marked so. */
  announced(): readonly Model[] {
    const { catalog, registrations, clock } = this.#parts;
    const withheld = registrations.withheld(clock.now());
    if (withheld.size === 0) return catalog.models();
    return catalog.models().map((model) => (isRetired(model, withheld) ? this.#marked(model) : model));
  }

  /** The same for one of them. */
  asAnnounced(model: Model): Model {
    const { registrations, clock } = this.#parts;
    return isRetired(model, registrations.withheld(clock.now())) ? this.#marked(model) : model;
  }

  /** Ids and aliases, sorted. Many heartbeats say the same: the list is the same one until something changes. */
  names(): readonly string[] {
    return this.#reported().names;
  }

  /** Their digests, by each name. */
  digests(): Readonly<Record<string, string>> {
    return this.#reported().digests;
  }

  #reported(): Reported {
    const { catalog, registrations, clock } = this.#parts;
    const models = catalog.models();
    const withheld = registrations.withheld(clock.now());
    if (this.#last?.of[0] !== models || this.#last.of[1] !== withheld) {
      const reported = withheld.size === 0 ? models : models.filter((model) => !isRetired(model, withheld));
      const names = availableNames(reported);
      this.#last = { of: [models, withheld], names, digests: digestsByName(reported) };
    }
    return this.#last;
  }

  /** The same object for the same model, because that is how gossip sees that nothing is new. */
  #marked(model: Model): Model {
    const known = this.#retired.get(model);
    if (known !== undefined) return known;
    const marked: Model = { ...model, retired: true };
    this.#retired.set(model, marked);
    return marked;
  }
}

export function isRetired({ id, aliases }: Pick<Model, 'id' | 'aliases'>, withheld: ReadonlySet<string>): boolean {
  return withheld.has(id) || aliases.some((alias) => withheld.has(alias));
}
