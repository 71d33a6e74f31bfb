import type { Sha256 } from '../content/digest.ts';
import type { Model } from '../content/model.ts';
import { geometryOf } from '../content/piece-geometry.ts';
import type { Store } from '../store/store.ts';
import type { FleetNode } from '../swarm/fleet-node.ts';
import type { Swarm } from '../swarm/swarm.ts';
import type { Clock } from '../util/clock.ts';
import { Wake } from '../util/wake.ts';
import type { EventBus } from './event-bus.ts';
import type { FetchWantedModels } from './fetch-wanted-models.ts';
import type { FleetModels } from './fleet-models.ts';
import type {
  DaemonFleetViewer,
  FleetCellView,
  FleetNodesView,
  FleetNodeView,
  FleetView,
  PieceMapView,
} from './fleet-view.ts';
import type { Holdings } from './holdings.ts';
import { LatestFleetModels } from './latest-fleet-models.ts';
import type { ModelLocator, OfferChange } from './locate-models.ts';
import type { ModelViews } from './model-views.ts';
import { pieceMapsOf } from './piece-maps.ts';

export interface FleetViewsParts {
  readonly store: Store;
  readonly swarm: Swarm;
  readonly holdings: Holdings;
  readonly locator: ModelLocator;
  readonly wanted: FetchWantedModels;
  readonly views: ModelViews;
  readonly events: EventBus;
  readonly clock: Clock;
  readonly api: () => string;
}

/** A node tells of itself every 30 s. */
const SILENT_AFTER_MS = 45_000;
/** Changes that come together are told together. */
const TELL_PERIOD_MS = 500;
/** Have maps of other nodes that are followed at a time, so that their progress can be shown. */
const FOLLOWED_MAX = 64;
/** A round trip within a site, and much more than that. */
const FIRST_WORD_MS = 250;

/** The fleet as this daemon knows it: from its own catalog and from what the others gossip. */
export class FleetViews implements DaemonFleetViewer {
  readonly #name: string;
  readonly #parts: FleetViewsParts;
  readonly #era: string;
  readonly #wake = new Wake();
  readonly #models: LatestFleetModels;
  #count = 0;
  /** Stands for what the catalog holds now. */
  #own = {};

  constructor(options: { readonly name: string }, parts: FleetViewsParts) {
    this.#name = options.name;
    this.#parts = parts;
    // Counts of another run of this daemon mean nothing now.
    this.#era = parts.clock.now().toString(36);
    const { store, locator, wanted, views, clock } = parts;
    this.#models = new LatestFleetModels(
      {
        offers: () => locator.offers,
        own: () => store.catalog.models(),
        findOwn: (idOrAlias) => store.catalog.findModel(idOrAlias),
        unfinished: () => views.unfinished().map(({ id }) => id),
      },
      { clock },
    );
    store.catalog.on('change', ({ added, removed }) => {
      this.#own = {};
      this.#changed([...added.map(({ id }) => id), ...removed]);
    });
    store.wants.on('change', (name) => this.#changed([name]));
    locator.onChange((ids) => this.#changed(ids));
    wanted.on('transfer', () => this.#wake.notify());
  }

  revision(): string {
    return `${this.#era}-${this.#count}`;
  }

  /** Tells those who watch that there is something new to read. */
  async run(signal: AbortSignal): Promise<void> {
    for (;;) {
      const hasNews = await this.#wake.wait(TELL_PERIOD_MS * 10, signal);
      if (hasNews) this.#parts.events.publish({ event: 'fleet', data: { revision: this.revision() } });
      await this.#parts.clock.sleep(TELL_PERIOD_MS, signal);
    }
  }

  async fleet(): Promise<FleetView> {
    // What cannot be had at once comes first: the rest is of one moment.
    const [own] = await Promise.all([this.#ownNode(), this.#followProgress()]);
    const models = this.#models.now();
    const others = this.#parts.swarm.fleet.nodes();
    const columns = [
      models.column(this.#own, this.#parts.store.catalog.models()),
      ...others.map((node) => models.column(node.record, node.models())),
    ];
    return {
      kind: 'daemon',
      revision: this.revision(),
      self: 0,
      models: models.views,
      nodes: this.#nodes(own, models, others),
      installed: columns.map(({ installed }) => installed),
    };
  }

  async nodes(): Promise<FleetNodesView> {
    const own = await this.#ownNode();
    return { revision: this.revision(), nodes: this.#nodes(own, this.#models.now(), this.#parts.swarm.fleet.nodes()) };
  }

  pieceMaps(idOrAlias: string): PieceMapView[] {
    return pieceMapsOf(this.#parts.views.get(idOrAlias), this.#parts);
  }

  #changed(ids: OfferChange): void {
    this.#count += 1;
    this.#models.changed(ids);
    this.#wake.notify();
  }

  async #ownNode(): Promise<Omit<FleetNodeView, 'cells'>> {
    const { totalBytes, freeBytes } = await this.#parts.store.space.disk();
    return { id: this.#name, status: 'online', address: this.#parts.api(), totalBytes, freeBytes };
  }

  #nodes(own: Omit<FleetNodeView, 'cells'>, models: FleetModels, others: readonly FleetNode[]): FleetNodeView[] {
    const { store, clock } = this.#parts;
    const budget = { left: FOLLOWED_MAX };
    const taken = new Set([own.id]);
    return [
      { ...own, cells: [...this.#ownCells(models), ...differing(models, this.#own, store.catalog.models())] },
      ...others.map((node): FleetNodeView => {
        // Two nodes of one name are two nodes.
        const id = taken.has(node.name) ? `${node.name}-${node.peerId.slice(-8)}` : node.name;
        taken.add(id);
        return {
          id,
          status: this.#isOnline(node) ? 'online' : 'offline',
          ...(node.api === undefined ? {} : { address: node.api }),
          seenMsAgo: Math.max(0, Math.round(clock.monotonic() - node.seenAt)),
          ...(node.totalBytes === undefined ? {} : { totalBytes: node.totalBytes }),
          freeBytes: node.freeBytes,
          cells: [...this.#incomingCells(node, models, budget), ...differing(models, node.record, node.models())],
        };
      }),
    ];
  }

  /** Who asks for the first time waits a moment, so that it learns how far the others are and not only that they fetch. */
  async #followProgress(): Promise<void> {
    const { swarm, clock } = this.#parts;
    const maps = swarm.fleet
      .nodes()
      .filter((node) => swarm.isConnected(node.peerId))
      .flatMap((node) => [...node.partials()].map(({ sha256 }) => swarm.haveMaps.watch(sha256, node.peerId)))
      .slice(0, FOLLOWED_MAX);
    const silent = new Set(maps.filter((map) => !map.complete && map.count === 0));
    if (silent.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const ends = [...silent].map((map) =>
      map.onChange(() => {
        silent.delete(map);
        if (silent.size === 0) resolve(undefined);
      }),
    );
    const waiting = new AbortController();
    await Promise.race([promise, clock.sleep(FIRST_WORD_MS, waiting.signal).catch(() => undefined)]);
    waiting.abort();
    for (const end of ends) end();
  }

  #isOnline(node: FleetNode): boolean {
    const { swarm, clock } = this.#parts;
    return swarm.isConnected(node.peerId) || clock.monotonic() - node.seenAt <= SILENT_AFTER_MS;
  }

  #ownCells(models: FleetModels): FleetCellView[] {
    const { views, wanted } = this.#parts;
    const transfers = new Map(wanted.active().map((transfer) => [transfer.model, transfer]));
    return views.unfinished().flatMap(({ id, state, problem }): FleetCellView[] => {
      const model = models.indexOf(id);
      if (model === undefined || state === 'installed') return [];
      const transfer = transfers.get(id);
      if (transfer === undefined) return [{ model, state: problem?.code === 'not-found' ? 'missing' : state }];
      return [
        {
          model,
          state,
          bytesTotal: transfer.bytesTotal,
          bytesMissing: transfer.bytesTotal - transfer.bytesDone,
          ...(transfer.etaMs === undefined ? {} : { etaMs: Math.round(transfer.etaMs) }),
        },
      ];
    });
  }

  /** Models of which the node announces a part: files that it has not begun are missing as a whole. */
  #incomingCells(node: FleetNode, models: FleetModels, budget: { left: number }): FleetCellView[] {
    const here = new Map<number, { bytes: number; known: boolean }>();
    for (const { sha256, sizeBytes } of node.partials()) {
      const model = models.indexOfBlob(sha256);
      if (model === undefined) continue;
      const sum = here.get(model) ?? { bytes: 0, known: true };
      const share = budget.left > 0 ? this.#shareThere({ sha256, sizeBytes }, node.peerId) : undefined;
      budget.left -= 1;
      sum.bytes += Math.round(sizeBytes * (share ?? 0));
      sum.known &&= share !== undefined;
      here.set(model, sum);
    }
    return Array.from(here, ([model, { bytes, known }]) => {
      const bytesTotal = models.views[model]?.sizeBytes;
      if (bytesTotal === undefined) return { model, state: 'fetching' };
      return {
        model,
        state: 'fetching',
        bytesTotal,
        ...(known ? { bytesMissing: Math.max(0, bytesTotal - bytes) } : {}),
      };
    });
  }

  /** Undefined until the node has told. */
  #shareThere({ sha256, sizeBytes }: { sha256: Sha256; sizeBytes: number }, peerId: string): number | undefined {
    const map = this.#parts.swarm.haveMaps.watch(sha256, peerId);
    if (map.complete) return 1;
    return map.count === 0 ? undefined : map.count / geometryOf(sizeBytes).pieceCount;
  }
}

function differing(models: FleetModels, key: object, has: Iterable<Model>): FleetCellView[] {
  return models.column(key, has).differing.map((model) => ({ model, state: 'differs' }));
}
