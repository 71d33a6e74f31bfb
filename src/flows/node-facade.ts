import type { Store } from '../store/store.ts';
import type { Swarm } from '../swarm/swarm.ts';
import type { BlameLedger } from '../transfer/blame.ts';
import type { LaneBook } from '../transfer/lane/lane-book.ts';
import type { LaneServer } from '../transfer/lane/lane-server.ts';
import type { UploadLedger } from '../transfer/upload-ledger.ts';
import type { Clock } from '../util/clock.ts';
import { ShoalError } from '../util/errors.ts';
import { formatHostPort } from '../util/host-port.ts';
import type { Metrics } from '../util/metrics.ts';
import type { CatalogService } from './catalog-service.ts';
import { type DoctorSubject, examine } from './doctor.ts';
import type { EventBus } from './event-bus.ts';
import type { FetchWantedModels } from './fetch-wanted-models.ts';
import type { FleetViews } from './fleet-views.ts';
import { KnownNames } from './known-names.ts';
import { removeModel } from './model-removal.ts';
import type { ModelViews } from './model-views.ts';
import type { NodeService } from './node-service.ts';
import type { Orchestration } from './orchestration.ts';
import type { OriginLists } from './origin-lists.ts';
import type { PreloadAnswer } from './preloads.ts';
import type {
  CheckView,
  ModelState,
  ModelView,
  NodeEvent,
  NodeView,
  OriginView,
  PeerView,
  TransferView,
  VerifyView,
} from './views.ts';

export interface NodeFacadeOptions {
  readonly name: string;
  readonly version: string;
  readonly modelsDir: string;
  readonly cacheMaxBytes?: number;
  readonly blake3: 'native' | 'wasm';
  readonly doctor: Omit<
    DoctorSubject,
    | 'peersConnected'
    | 'clockSkewsMs'
    | 'directoriesWatched'
    | 'watcherProblem'
    | 'wantedBytesMissing'
    | 'room'
    | 'origins'
    | 'orchestrators'
    | 'listeners'
  >;
}

export interface NodeFacadeParts {
  readonly store: Store;
  readonly swarm: Swarm;
  readonly pieces: {
    readonly ledger: UploadLedger;
    readonly lanes: LaneBook;
    readonly laneServer: LaneServer | undefined;
  };
  readonly blame: BlameLedger;
  readonly wanted: FetchWantedModels;
  readonly origins: OriginLists;
  readonly orchestration: Orchestration;
  readonly views: ModelViews;
  readonly fleet: FleetViews;
  readonly events: EventBus;
  readonly metrics: Metrics;
  readonly clock: Clock;
  /** `host:port` of what listens, by name; filled in as it starts. */
  readonly listeners: () => DoctorSubject['listeners'];
  readonly api: () => string;
  readonly ready: () => boolean;
}

/** What the HTTP API can ask of the daemon. */
export class NodeFacade implements NodeService {
  readonly metrics: Metrics;
  readonly fleet: FleetViews;
  readonly #options: NodeFacadeOptions;
  readonly #parts: NodeFacadeParts;
  readonly #startMs: number;
  readonly #names: KnownNames;

  constructor(options: NodeFacadeOptions, parts: NodeFacadeParts) {
    this.metrics = parts.metrics;
    this.fleet = parts.fleet;
    this.#options = options;
    this.#parts = parts;
    this.#startMs = parts.clock.monotonic();
    this.#names = new KnownNames(parts);
  }

  get catalog(): CatalogService {
    return this.#parts.orchestration.catalog;
  }

  preload(pool: string, order: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<PreloadAnswer> {
    return this.#parts.orchestration.preloads.preload(pool, order, signal);
  }

  ready(): boolean {
    return this.#parts.ready();
  }

  async node(): Promise<NodeView> {
    const { store, swarm, orchestration, clock } = this.#parts;
    const { name, version, modelsDir, cacheMaxBytes, blake3 } = this.#options;
    const disk = await store.space.disk();
    const { laneServer } = this.#parts.pieces;
    return {
      name,
      peerId: swarm.peerId,
      version,
      api: this.#parts.api(),
      listen: swarm.multiaddrs(),
      ...(laneServer === undefined ? {} : { lane: formatHostPort(laneServer.address) }),
      peers: swarm.connectedPeers().length,
      models: this.modelCounts(),
      disk: {
        modelsDir,
        ...disk,
        usedByModelsBytes: store.usage().usedBytes,
        reservedBytes: store.space.reservedBytes,
        ...(cacheMaxBytes === undefined ? {} : { cacheMaxBytes }),
      },
      uptimeSeconds: Math.round((clock.monotonic() - this.#startMs) / 1000),
      rssBytes: process.memoryUsage.rss(),
      orchestrators: orchestration.links.map((link) => link.view()),
      blake3,
    };
  }

  /** Cheap: counts without putting views together. */
  modelCounts(): Record<ModelState, number> & { wanted: number } {
    const { store, wanted } = this.#parts;
    const counts = {
      installed: store.catalog.modelCount,
      fetching: 0,
      queued: 0,
      missing: 0,
      corrupt: 0,
      wanted: 0,
    };
    for (const { name } of store.wants.list()) {
      counts.wanted += 1;
      if (store.catalog.findModel(name) !== undefined) continue;
      if (wanted.isActive(name)) counts.fetching += 1;
      else if (wanted.problemOf(name)?.code === 'not-found') counts.missing += 1;
      else counts.queued += 1;
    }
    for (const reason of store.catalog.unverified().values()) if (reason === 'corrupt') counts.corrupt += 1;
    return counts;
  }

  models(scope: 'local' | 'fleet'): ModelView[] {
    return this.#parts.views.list(scope);
  }

  model(idOrAlias: string): ModelView {
    return this.#parts.views.get(idOrAlias);
  }

  async want(idOrAlias: string, options: { priority: 'normal' | 'high'; digest?: string }): Promise<ModelView> {
    const { store, wanted, clock, views } = this.#parts;
    const id = await this.#names.resolve(idOrAlias);
    const since = store.wants.get(id)?.since ?? clock.now();
    wanted.forgive(id);
    await store.wants.put({ name: id, since, ...options });
    return views.get(id);
  }

  async unwant(idOrAlias: string): Promise<ModelView> {
    const view = this.model(idOrAlias);
    await this.#parts.store.wants.delete(view.id);
    return { ...view, wanted: false };
  }

  async remove(idOrAlias: string): Promise<void> {
    await removeModel(idOrAlias, this.#parts);
  }

  async pin(idOrAlias: string): Promise<ModelView> {
    const { store, clock } = this.#parts;
    const { id } = this.model(idOrAlias);
    await store.wants.pin(id, clock.now());
    return this.model(id);
  }

  async unpin(idOrAlias: string): Promise<ModelView> {
    const { id } = this.model(idOrAlias);
    await this.#parts.store.wants.unpin(id);
    return this.model(id);
  }

  async verify(idOrAlias: string, signal: AbortSignal): Promise<VerifyView> {
    const { store, views } = this.#parts;
    const model = store.catalog.findModel(idOrAlias);
    const id = model?.id ?? views.resolve(idOrAlias) ?? idOrAlias;
    const paths = model?.files.map(({ path }) => path) ?? views.damagedFiles(id);
    if (paths.length === 0) {
      throw new ShoalError('not-found', `${idOrAlias} is not installed here`, { remedy: 'See "shoal ls".' });
    }
    const files = await store.scanner.verify(paths, signal);
    return { model: id, ok: files.every(({ ok }) => ok), files };
  }

  transfers(): TransferView[] {
    return [...this.#parts.orchestration.transfers(), ...this.#parts.wanted.transfers()];
  }

  peers(): PeerView[] {
    const { swarm, blame, clock, pieces } = this.#parts;
    const received = receivedByPeer(this.transfers());
    const connected = new Map(swarm.connectedPeers().map((peer) => [peer.peerId, peer]));
    const known = new Set([...swarm.fleet.nodes().map(({ peerId }) => peerId), ...connected.keys()]);
    for (const { id } of blame.list()) if (id.kind === 'peer') known.add(id.id);
    return [...known].map((peerId): PeerView => {
      const node = swarm.fleet.node(peerId);
      const fault = blame.find({ kind: 'peer', id: peerId });
      const isConnected = connected.has(peerId);
      return {
        peerId,
        name: node?.name ?? '',
        connected: isConnected,
        addresses: node?.addresses ?? [],
        ...(node?.lane === undefined ? {} : { lane: node.lane }),
        ...this.#transport(peerId, isConnected),
        models: node?.modelCount ?? 0,
        freeBytes: node?.freeBytes ?? 0,
        ...(node?.totalBytes === undefined ? {} : { totalBytes: node.totalBytes }),
        seenMsAgo: node === undefined ? 0 : Math.max(0, Math.round(clock.monotonic() - node.seenAt)),
        receivedBytes: received.get(peerId) ?? 0,
        sentBytes: pieces.ledger.sentTo(peerId),
        rejectedPieces: fault?.rejectedPieces ?? 0,
        ...(fault === undefined
          ? {}
          : { blamed: { reason: fault.reason, until: new Date(fault.untilMs).toISOString(), strikes: fault.strikes } }),
      };
    });
  }

  #transport(peerId: string, isConnected: boolean): Pick<PeerView, 'transport' | 'laneProblem'> {
    const { lanes, laneServer } = this.#parts.pieces;
    const laneProblem = lanes.problemOf(peerId);
    const overLane = lanes.isUsed(peerId) || (laneServer?.lanesOf(peerId) ?? 0) > 0;
    return {
      transport: overLane ? 'lane' : isConnected ? 'stream' : 'none',
      ...(laneProblem === undefined ? {} : { laneProblem }),
    };
  }

  origins(): OriginView[] {
    return this.#parts.origins.views();
  }

  async rescan(): Promise<void> {
    await Promise.all([this.#parts.store.scanner.rescan(), this.#parts.origins.rescan()]);
  }

  async doctor(signal: AbortSignal): Promise<CheckView[]> {
    const { store, swarm, wanted, orchestration, clock } = this.#parts;
    const { watching } = store.scanner;
    return examine(
      {
        ...this.#options.doctor,
        listeners: this.#parts.listeners(),
        peersConnected: swarm.connectedPeers().length,
        clockSkewsMs: swarm.fleet.nodes().map((node) => {
          const theirAgeMs = clock.now() - node.issuedAt;
          return { who: node.name, skewMs: theirAgeMs - (clock.monotonic() - node.seenAt) };
        }),
        directoriesWatched: watching.directories,
        ...(watching.problem === undefined ? {} : { watcherProblem: watching.problem }),
        wantedBytesMissing: () => wanted.missingBytes(),
        room: () => store.space.room(),
        origins: this.origins(),
        orchestrators: orchestration.links.map((link) => link.view()),
      },
      signal,
    );
  }

  subscribe(listener: (event: NodeEvent) => void): () => void {
    return this.#parts.events.subscribe(listener);
  }

  /** A name that nobody knows yet may be known in a moment, while this daemon is young. */
}

/** From the transfers under way and those that ended lately. */
function receivedByPeer(transfers: readonly TransferView[]): Map<string, number> {
  const received = new Map<string, number>();
  for (const { sources } of transfers) {
    for (const { kind, id, bytes } of sources) if (kind === 'peer') received.set(id, (received.get(id) ?? 0) + bytes);
  }
  return received;
}
