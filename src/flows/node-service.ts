import type { Metrics } from '../util/metrics.ts';
import type { CatalogService } from './catalog-service.ts';
import type { DaemonFleetViewer } from './fleet-view.ts';
import type { PreloadAnswer } from './preloads.ts';
import type {
  CheckView,
  ModelView,
  NodeEvent,
  NodeView,
  OriginView,
  PeerView,
  TransferView,
  VerifyView,
} from './views.ts';

/**
 * Everything the HTTP API can ask of a daemon: one call per route. Errors are ShoalErrors: `not-found` for a model that
 * nobody knows, `disk-full`, `conflict`, `invalid`.
 */
export interface NodeService {
  readonly metrics: Metrics;
  /** The catalog as orchestrators know it. */
  readonly catalog: CatalogService;
  readonly fleet: DaemonFleetViewer;
  /** Brings a model here ahead of others, keeps it, and passes the order on to the pool manager. */
  preload(pool: string, order: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<PreloadAnswer>;
  /** False until libp2p listens and the first scan is done. */
  ready(): boolean;
  node(): Promise<NodeView>;
  models(scope: 'local' | 'fleet'): ModelView[];
  model(idOrAlias: string): ModelView;
  want(idOrAlias: string, options: { priority: 'normal' | 'high'; digest?: string }): Promise<ModelView>;
  unwant(idOrAlias: string): Promise<ModelView>;
  /** Withdraws it from the fleet and the orchestrators, then deletes its files. Also ends its want. */
  remove(idOrAlias: string): Promise<void>;
  pin(idOrAlias: string): Promise<ModelView>;
  unpin(idOrAlias: string): Promise<ModelView>;
  /** Reads every byte again. */
  verify(idOrAlias: string, signal: AbortSignal): Promise<VerifyView>;
  transfers(): TransferView[];
  peers(): PeerView[];
  origins(): OriginView[];
  rescan(): Promise<void>;
  doctor(signal: AbortSignal): Promise<CheckView[]>;
  subscribe(listener: (event: NodeEvent) => void): () => void;
}
