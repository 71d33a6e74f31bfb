import { Bitfield } from '../../content/bitfield.ts';
import type {
  FleetCellView,
  FleetModelView,
  FleetNodesView,
  FleetNodeView,
  FleetView,
  FleetViewer,
} from '../../flows/fleet-view.ts';
import type { FleetNode } from '../../orchestrator/fleet-node.ts';
import { PERIOD_MS } from '../../orchestrator/limits.ts';
import type { ModelList } from '../../orchestrator/model-list.ts';
import type { IncomingModel } from '../../orchestrator/node-contents.ts';
import type { Orchestrator } from '../../orchestrator/orchestrator.ts';
import type { Clock } from '../../util/clock.ts';
import { groupNames } from './named-models.ts';

interface KnownModels {
  /** Of the registry and the catalog, from which views are made. */
  readonly version: string;
  readonly views: readonly FleetModelView[];
  /** Ids and names that are on their way. */
  readonly indices: ReadonlyMap<string, number>;
  /** Lists stay the same from one heartbeat to the next. */
  readonly columns: WeakMap<ModelList, string>;
}

/** The fleet as heartbeats tell of it: no pieces, but disks, slots and ages. */
export class RegistryFleet implements FleetViewer {
  readonly #orchestrator: Orchestrator;
  readonly #clock: Clock;
  readonly #era: string;
  #known: KnownModels | undefined;
  /** Grows when a model is on its way that no node has yet. */
  #news = 0;

  constructor(parts: { readonly orchestrator: Orchestrator; readonly clock: Clock }) {
    this.#orchestrator = parts.orchestrator;
    this.#clock = parts.clock;
    this.#era = parts.clock.now().toString(36);
  }

  revision(): string {
    return `${this.#era}-${this.#version()}-${this.#news}`;
  }

  #version(): string {
    const { registry, catalog } = this.#orchestrator;
    return `${registry.version}-${catalog.version}`;
  }

  fleet(): Promise<FleetView> {
    const models = this.#models();
    const nodes = this.#sorted();
    const views = nodes.map((node) => this.#view(node, models));
    const installed = nodes.map((node) => (node.online ? columnOf(node.models, models) : ''));
    const document = { kind: 'orchestrator', models: models.views, nodes: views, installed } as const;
    return Promise.resolve({ ...document, revision: this.revision() });
  }

  nodes(): Promise<FleetNodesView> {
    const models = this.#models();
    const nodes = this.#sorted().map((node) => this.#view(node, models));
    return Promise.resolve({ revision: this.revision(), nodes });
  }

  #sorted(): FleetNode[] {
    return [...this.#orchestrator.registry.nodes()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  #models(): KnownModels {
    const { registry, catalog } = this.#orchestrator;
    const version = this.#version();
    if (this.#known?.version === version && !this.#noteNews(this.#known)) return this.#known;
    const incoming = new Set<string>();
    for (const node of registry.nodes()) if (node.online) for (const name of node.incoming.keys()) incoming.add(name);
    const names = new Set([...registry.index.names(), ...incoming]);
    const models = groupNames({
      names,
      nodesWith: (name) => registry.index.nodesWith(name)?.size ?? 0,
      digestOf: (name) => digestAmong(registry.index.nodesWith(name) ?? [], name) ?? catalog.find(name)?.digest,
    });
    const views = models.map(({ id, aliases, digest }): FleetModelView => {
      const sizeBytes = catalog.find(id)?.sizeBytes ?? registry.sizes.of(id);
      return {
        id,
        ...(aliases.length === 0 ? {} : { aliases }),
        ...(digest === undefined ? {} : { digest }),
        ...(sizeBytes === undefined ? {} : { sizeBytes }),
      };
    });
    const indices = new Map<string, number>();
    for (const [index, { id, aliases }] of models.entries())
      for (const name of [id, ...aliases]) indices.set(name, index);
    const before = this.#known;
    // Mostly a node has more or fewer of the same models: then the columns of all others stay as they are.
    const isAsBefore = before !== undefined && sameNames({ views, indices }, before);
    const columns = isAsBefore ? before.columns : new WeakMap<ModelList, string>();
    return (this.#known = { version, views, indices, columns });
  }

  /** Counts it when a model is on its way that the known views do not name; true then. */
  #noteNews({ indices }: KnownModels): boolean {
    for (const node of this.#orchestrator.registry.nodes()) {
      if (!node.online) continue;
      for (const name of node.incoming.keys()) {
        if (indices.has(name)) continue;
        this.#news += 1;
        return true;
      }
    }
    return false;
  }

  #view(node: FleetNode, models: KnownModels): FleetNodeView {
    let slotsFree = 0;
    let slotsTotal = 0;
    for (const pool of node.pools.values()) {
      slotsFree += pool.freeSlots;
      slotsTotal += pool.slotsTotal;
    }
    return {
      id: node.id,
      status: node.status.toLowerCase() as FleetNodeView['status'],
      address: node.address,
      ...(node.lastHeartbeatAtMs === undefined
        ? {}
        : { seenMsAgo: Math.max(0, Math.round(this.#clock.monotonic() - node.heardMs)) }),
      ...node.disk,
      ...(node.pools.size === 0 ? {} : { slotsFree, slotsTotal }),
      cells: node.online ? cellsOf(node, models, this.#clock.monotonic() - node.heardMs) : [],
    };
  }
}

function cellsOf(node: FleetNode, { indices }: KnownModels, ageMs: number): FleetCellView[] {
  const cells: FleetCellView[] = [];
  for (const incoming of node.incoming.values()) {
    const model = indices.get(incoming.id);
    if (model !== undefined) cells.push({ model, state: 'fetching', ...progressOf(incoming, ageMs) });
  }
  return cells;
}

/** As of the last heartbeat, and on from there at the rate that was measured: but no further than the next would tell. */
function progressOf(
  { bytes_total: bytesTotal, bytes_missing: missing, eta_ms: etaMs, bytesPerSecond }: IncomingModel,
  ageMs: number,
): Pick<FleetCellView, 'bytesTotal' | 'bytesMissing' | 'etaMs' | 'bytesPerSecond'> {
  const hasEta = typeof etaMs === 'number';
  const sinceMs = Math.min(Math.max(0, ageMs), PERIOD_MS);
  const rate = hasEta && etaMs > 0 ? (missing * 1000) / etaMs : (bytesPerSecond ?? 0);
  return {
    bytesTotal,
    bytesMissing: Math.round(Math.max(0, missing - (rate * sinceMs) / 1000)),
    ...(hasEta ? { etaMs: Math.round(Math.max(0, etaMs - sinceMs)) } : {}),
    ...(bytesPerSecond === undefined ? {} : { bytesPerSecond: Math.round(bytesPerSecond) }),
  };
}

/** Of the first that tells one: nodes hardly ever differ. */
function digestAmong(nodes: Iterable<FleetNode>, name: string): string | undefined {
  for (const { digests } of nodes) {
    const digest = digests.get(name);
    if (digest !== undefined) return digest;
  }
  return undefined;
}

type Naming = Pick<KnownModels, 'views' | 'indices'>;

function sameNames(a: Naming, b: Naming): boolean {
  if (a.indices.size !== b.indices.size || a.views.length !== b.views.length) return false;
  for (const [index, { id }] of a.views.entries()) if (b.views[index]?.id !== id) return false;
  for (const [name, index] of a.indices) if (b.indices.get(name) !== index) return false;
  return true;
}

function columnOf(list: ModelList, { indices, views, columns }: KnownModels): string {
  const known = columns.get(list);
  if (known !== undefined) return known;
  const bits = new Bitfield(views.length);
  for (const name of list.names) {
    const index = indices.get(name);
    // A name that stands for several models is no proof of any of them.
    if (index !== undefined && views[index]?.id === name) bits.add(index);
  }
  const column = Buffer.from(bits.toBytes()).toString('base64');
  columns.set(list, column);
  return column;
}
