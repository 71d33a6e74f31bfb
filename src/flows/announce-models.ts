import type { Model } from '../content/model.ts';
import type { Catalog, CatalogChange } from '../store/catalog.ts';
import type { Swarm } from '../swarm/swarm.ts';
import type { EventBus } from './event-bus.ts';
import type { Holdings } from './holdings.ts';
import type { OrchestratorLink } from './orchestrator-link.ts';
import type { ReportedModels } from './reported-models.ts';

export interface AnnounceParts {
  readonly catalog: Catalog;
  readonly holdings: Holdings;
  readonly reported: ReportedModels;
  readonly swarm: Swarm;
  readonly orchestrators: readonly OrchestratorLink[];
  readonly events: EventBus;
}

/** The first walk from the catalog on: what is here, or not any more, is told to the fleet and to the orchestrators. */
export class AnnounceModels {
  readonly #parts: AnnounceParts;

  constructor(parts: AnnounceParts) {
    this.#parts = parts;
    parts.catalog.on('change', (change) => this.#changed(change));
  }

  /** Also for what is only held in part. */
  holdingsChanged(): void {
    this.#announce(undefined);
  }

  #changed({ added, removed }: CatalogChange): void {
    const { orchestrators, events, swarm } = this.#parts;
    // Who fetches it from here stops at once, instead of taking the refusals that follow for lies.
    swarm.haveMaps.recheck();
    // The withdrawal first: placement on a node that lacks the model is worse than none.
    for (const link of orchestrators) link.notify();
    this.#announce(removed.length === 0 ? added : undefined);
    for (const id of removed) events.publish({ event: 'model', data: { id, state: 'missing' } });
    for (const { id, digest } of added) events.publish({ event: 'model', data: { id, state: 'installed', digest } });
  }

  /** What is listed is listed when it is announced: a first start brings changes quicker than anybody needs to hear. */
  #announce(onlyNew: readonly Model[] | undefined): void {
    const { swarm, reported, holdings } = this.#parts;
    const models = { [Symbol.iterator]: () => reported.announced().values() };
    const partials = { [Symbol.iterator]: () => holdings.partials().values() };
    swarm.gossip.update(
      models,
      partials,
      onlyNew?.map((model) => reported.asAnnounced(model)),
    );
  }
}
