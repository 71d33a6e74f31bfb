import { createHash } from 'node:crypto';
import type { NodeService } from '../../src/flows/node-service.ts';
import type { PreloadAnswer } from '../../src/flows/preloads.ts';
import type {
  CheckView,
  ModelView,
  NodeEvent,
  NodeView,
  OriginView,
  PeerView,
  TransferView,
  VerifyView,
} from '../../src/flows/views.ts';
import { ShoalError } from '../../src/util/errors.ts';
import { Metrics } from '../../src/util/metrics.ts';
import { FakeCatalog } from './fake-catalog.ts';
import { FakeFleet } from './fake-fleet.ts';

export function modelView(id: string, change: Partial<ModelView> = {}): ModelView {
  const sha256 = createHash('sha256').update(id).digest('hex');
  const name = id.split('/').at(-1) ?? id;
  return {
    id,
    aliases: [name.replace(/\.[^.]+$/, '')],
    digest: `sha256:${sha256}`,
    sizeBytes: 1_000_000,
    files: [{ path: id, sizeBytes: 1_000_000, sha256, manifest: `b${sha256.slice(0, 50)}` }],
    state: 'installed',
    pinned: false,
    wanted: false,
    nodes: ['gpu-1'],
    origins: [],
    ...change,
  };
}

export function transferView(model: string, change: Partial<TransferView> = {}): TransferView {
  return {
    model,
    state: 'fetching',
    bytesTotal: 1_000_000,
    bytesDone: 0,
    refetchedBytes: 0,
    bytesPerSecond: 0,
    startedAt: '2026-01-31T12:00:00.000Z',
    seconds: 0,
    sources: [],
    ...change,
  };
}

/** A node without disk and network: what it is told it remembers, what happens to it a test says. */
export class FakeNode implements NodeService {
  readonly metrics = new Metrics();
  readonly known = new Map<string, ModelView>();
  readonly calls: string[] = [];
  readonly listeners = new Set<(event: NodeEvent) => void>();
  isReady = true;
  running: TransferView[] = [];
  checks: CheckView[] = [{ check: 'disk', status: 'ok', detail: '100 GiB free' }];
  peerList: PeerView[] = [];
  originList: OriginView[] = [];
  /** What the next call throws, once. */
  failure: Error | undefined;
  /** Called when a want is set: tests let the fetching go its way here. */
  onWant: (model: ModelView) => void = () => undefined;
  verification: (id: string, signal: AbortSignal) => Promise<VerifyView> = (model) =>
    Promise.resolve({ model, ok: true, files: [{ path: model, ok: true }] });

  constructor(models: readonly ModelView[] = []) {
    for (const model of models) this.known.set(model.id, model);
  }

  readonly fleet = new FakeFleet();
  readonly catalog = new FakeCatalog((call) => this.#called(call));
  preloading: (pool: string, order: unknown) => PreloadAnswer = () => ({ status: 200, body: {} });

  ready(): boolean {
    return this.isReady;
  }

  preload(pool: string, order: Readonly<Record<string, unknown>>): Promise<PreloadAnswer> {
    this.#called(`preload ${pool}`);
    return Promise.resolve(this.preloading(pool, order));
  }

  node(): Promise<NodeView> {
    this.#called('node');
    return Promise.resolve({
      name: 'gpu-1',
      peerId: '12D3KooWFake',
      version: '0.1.0',
      api: 'http://127.0.0.1:7420',
      listen: ['/ip4/127.0.0.1/tcp/7421/p2p/12D3KooWFake'],
      lane: '127.0.0.1:7422',
      peers: this.peerList.length,
      models: { installed: this.known.size, fetching: 0, queued: 0, missing: 0, corrupt: 0, wanted: 0 },
      disk: { modelsDir: '/srv/models', totalBytes: 1e12, freeBytes: 5e11, usedByModelsBytes: 1e11, reservedBytes: 0 },
      uptimeSeconds: 60,
      rssBytes: 100_000_000,
      orchestrators: [{ url: 'http://10.0.0.5:8080/', registered: true, lastHeartbeatAt: '2026-01-31T12:00:00.000Z' }],
      blake3: 'native',
    });
  }

  models(scope: 'local' | 'fleet'): ModelView[] {
    this.#called(`models ${scope}`);
    return [...this.known.values()].filter((model) => scope === 'fleet' || model.state !== 'missing');
  }

  model(name: string): ModelView {
    this.#called(`model ${name}`);
    return this.#get(name);
  }

  want(name: string, options: { priority: 'normal' | 'high'; digest?: string }): Promise<ModelView> {
    this.#called(`want ${name} ${options.priority}${options.digest === undefined ? '' : ` ${options.digest}`}`);
    const model = this.set(name, { wanted: true });
    this.onWant(model);
    return Promise.resolve(this.#get(name));
  }

  unwant(name: string): Promise<ModelView> {
    this.#called(`unwant ${name}`);
    return Promise.resolve(this.set(name, { wanted: false }));
  }

  remove(name: string): Promise<void> {
    this.#called(`remove ${name}`);
    this.set(name, { wanted: false, state: 'missing', nodes: [] });
    return Promise.resolve();
  }

  pin(name: string): Promise<ModelView> {
    this.#called(`pin ${name}`);
    return Promise.resolve(this.set(name, { pinned: true }));
  }

  unpin(name: string): Promise<ModelView> {
    this.#called(`unpin ${name}`);
    return Promise.resolve(this.set(name, { pinned: false }));
  }

  verify(name: string, signal: AbortSignal): Promise<VerifyView> {
    this.#called(`verify ${name}`);
    return this.verification(this.#get(name).id, signal);
  }

  transfers(): TransferView[] {
    return this.running;
  }

  peers(): PeerView[] {
    return this.peerList;
  }

  origins(): OriginView[] {
    return this.originList;
  }

  rescan(): Promise<void> {
    this.#called('rescan');
    return Promise.resolve();
  }

  doctor(): Promise<CheckView[]> {
    return Promise.resolve(this.checks);
  }

  subscribe(listener: (event: NodeEvent) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  emit(event: NodeEvent): void {
    for (const listener of this.listeners) listener(event);
  }

  /** Changes a model, as the daemon's own work would. */
  set(name: string, change: Partial<ModelView>): ModelView {
    const model = { ...this.#get(name), ...change };
    this.known.set(model.id, model);
    return model;
  }

  #get(name: string): ModelView {
    const model = [...this.known.values()].find((other) => other.id === name || other.aliases.includes(name));
    if (model !== undefined) return model;
    throw new ShoalError('not-found', `nobody knows the model "${name}"`, {
      remedy: '"shoal ls --fleet" names the models.',
    });
  }

  #called(call: string): void {
    this.calls.push(call);
    const { failure } = this;
    this.failure = undefined;
    if (failure !== undefined) throw failure;
  }
}
