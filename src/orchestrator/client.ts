import { ShoalError } from '../util/errors.ts';
import type { ServerEvent } from '../util/event-reader.ts';
import { ApiCalls, type ApiCallsOptions } from './api-calls.ts';
import type {
  CatalogListDocument,
  CatalogModelDocument,
  CatalogRequest,
  CatalogStateRequest,
  CatalogVerificationDocument,
  LeaseDocument,
  LeaseRequest,
  NodeChangeRequest,
  NodeDocument,
  NodeListDocument,
  NoPlacementDocument,
  PlacementDocument,
  PlacementRequest,
} from './api-documents.ts';
import type { AvailabilityDocument, AvailabilityPageDocument, NodeAvailability } from './availability-documents.ts';
import type { Heartbeat, Registration } from './documents.ts';
import type { FleetDocument } from './fleet-documents.ts';

export type OrchestratorClientOptions = ApiCallsOptions;

/** Either where the task can run, or why nowhere: both are answers, not failures. */
export type PlacementAnswer =
  | ({ readonly kind: 'placed' } & PlacementDocument)
  | ({ readonly kind: 'refused'; readonly detail: string } & NoPlacementDocument);

const PLACEMENT_DEADLINE_MS = 10_000;
const CATALOG_PAGE = 1_000;

/**
 * A typed client of `shoal orchestrator`; `fleet`, `availability` and `events` are answered by every daemon as well.
 * Every failure is a ShoalError: `unreachable` when nobody answers, `not-found`, `conflict`, `unauthorized`, `invalid`,
 * `source-busy` when it does, with the members of the problem document as fields (`field`: what is wrong in a heartbeat).
 */
export class OrchestratorClient {
  readonly #calls: ApiCalls;

  constructor(options: OrchestratorClientOptions) {
    this.#calls = new ApiCalls(options);
  }

  async register(registration: Registration, signal: AbortSignal): Promise<void> {
    await this.#calls.call('v2/nodes/register', { method: 'POST', body: registration }, signal);
  }

  /** Returns when the next one is expected. @throws ShoalError `not-found` when the node has to register (again) */
  heartbeat(nodeId: string, heartbeat: Heartbeat, signal: AbortSignal): Promise<{ next_heartbeat_ms: number }> {
    return this.#calls.call(`${nodePath(nodeId)}/heartbeat`, { method: 'POST', body: heartbeat }, signal);
  }

  deleteNode(nodeId: string, signal: AbortSignal): Promise<void> {
    return this.#calls.call(nodePath(nodeId), { method: 'DELETE' }, signal);
  }

  changeNode(nodeId: string, change: NodeChangeRequest, signal: AbortSignal): Promise<NodeDocument> {
    return this.#calls.call(nodePath(nodeId), { method: 'PATCH', body: change }, signal);
  }

  /** Online or not. @throws ShoalError `not-found` */
  node(nodeId: string, signal: AbortSignal): Promise<NodeDocument> {
    return this.#calls.call(nodePath(nodeId), {}, signal);
  }

  /** Those that are online, or all that are registered. */
  async nodes(options: { readonly all: boolean }, signal: AbortSignal): Promise<NodeDocument[]> {
    const path = options.all ? 'v2/nodes?all=true' : 'v2/nodes';
    return (await this.#calls.call<NodeListDocument>(path, {}, signal)).nodes;
  }

  /** Nodes × models with what is on its way: small, for those who look. */
  fleet(signal: AbortSignal): Promise<FleetDocument> {
    return this.#calls.call('v1/fleet', {}, signal);
  }

  availability(signal: AbortSignal): Promise<AvailabilityDocument> {
    return this.#calls.call('v2/catalog/availability', {}, signal);
  }

  /** Node by node, for fleets whose whole document is too large to hold. */
  async *nodesAvailability(
    options: { readonly pageSize: number },
    signal: AbortSignal,
  ): AsyncGenerator<NodeAvailability> {
    const path = `v2/catalog/availability?limit=${options.pageSize}`;
    for await (const page of this.#pages<AvailabilityPageDocument>(path, signal)) yield* Object.values(page.nodes);
  }

  async place(wish: PlacementRequest, signal: AbortSignal): Promise<PlacementAnswer> {
    try {
      const deadlineMs = PLACEMENT_DEADLINE_MS + (wish.max_wait_ms ?? 0);
      const placed = await this.#calls.call<PlacementDocument>(
        'v2/placement',
        { method: 'POST', body: wish, deadlineMs },
        signal,
      );
      return { kind: 'placed', ...placed };
    } catch (error) {
      if (!(error instanceof ShoalError) || error.fields['refused'] === undefined) throw error;
      return { kind: 'refused', detail: error.message, ...(error.fields as unknown as NoPlacementDocument) };
    }
  }

  /** Those that end first first. */
  async leases(signal: AbortSignal): Promise<LeaseDocument[]> {
    return (await this.#calls.call<{ leases: LeaseDocument[] }>('v2/leases', {}, signal)).leases;
  }

  /** @throws ShoalError `conflict` when the pool has no slot left */
  lease(wish: LeaseRequest, signal: AbortSignal): Promise<LeaseDocument> {
    return this.#calls.call('v2/leases', { method: 'POST', body: wish }, signal);
  }

  /** The work has ended, after `tookMs`, or will not begin. A lease that has run out is no error. */
  async release(leaseId: string, options: { readonly tookMs?: number }, signal: AbortSignal): Promise<void> {
    const query = options.tookMs === undefined ? '' : `?took_ms=${options.tookMs}`;
    try {
      await this.#calls.call(`v2/leases/${encodeURIComponent(leaseId)}${query}`, { method: 'DELETE' }, signal);
    } catch (error) {
      if (!(error instanceof ShoalError) || error.code !== 'not-found') throw error;
    }
  }

  /** The registered models, by id. */
  async *models(signal: AbortSignal): AsyncGenerator<CatalogModelDocument> {
    const path = `v2/catalog/models?limit=${CATALOG_PAGE}`;
    for await (const page of this.#pages<CatalogListDocument>(path, signal)) yield* page.models;
  }

  /** @throws ShoalError `not-found` */
  model(id: string, signal: AbortSignal): Promise<CatalogModelDocument> {
    return this.#calls.call(modelPath(id), {}, signal);
  }

  /** @throws ShoalError `conflict` when the id stands for other bytes already */
  registerModel(model: CatalogRequest, signal: AbortSignal): Promise<CatalogModelDocument> {
    return this.#calls.call('v2/catalog/models', { method: 'POST', body: model }, signal);
  }

  deleteModel(id: string, signal: AbortSignal): Promise<void> {
    return this.#calls.call(modelPath(id), { method: 'DELETE' }, signal);
  }

  /** Compares the registered digest with what nodes report. */
  verifyModel(id: string, signal: AbortSignal): Promise<CatalogVerificationDocument> {
    return this.#calls.call(`${modelPath(id)}/verify`, { method: 'POST' }, signal);
  }

  /** A retired model is placed for `deadline_ms` more. */
  setModelState(id: string, state: CatalogStateRequest, signal: AbortSignal): Promise<CatalogModelDocument> {
    return this.#calls.call(`${modelPath(id)}/state`, { method: 'POST', body: state }, signal);
  }

  /** What changes from now on, without replay; ends when the connection does. */
  events(signal: AbortSignal): AsyncGenerator<ServerEvent> {
    return this.#calls.events('v1/events', signal);
  }

  async *#pages<T extends { readonly next_cursor?: string }>(path: string, signal: AbortSignal): AsyncGenerator<T> {
    let cursor: string | undefined;
    do {
      const after: string = cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const page = await this.#calls.call<T>(`${path}${after}`, {}, signal);
      yield page;
      cursor = page.next_cursor;
    } while (cursor !== undefined);
  }
}

function nodePath(nodeId: string): string {
  return `v2/nodes/${encodeURIComponent(nodeId)}`;
}

function modelPath(id: string): string {
  return `v2/catalog/models/${encodeURIComponent(id)}`;
}
