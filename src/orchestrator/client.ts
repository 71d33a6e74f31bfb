import { type Dispatcher, request } from 'undici';
import { withDeadline } from '../util/deadline.ts';
import { type ErrorCode, isAbort, messageOf, ShoalError } from '../util/errors.ts';
import type {
  CatalogModelDocument,
  CatalogRequest,
  LeaseDocument,
  LeaseRequest,
  NodeChangeRequest,
  NodeDocument,
  NoPlacementDocument,
  PlacementDocument,
  PlacementRequest,
} from './api-documents.ts';
import type { AvailabilityDocument, NodeAvailability } from './availability.ts';
import type { Heartbeat, Registration } from './documents.ts';

export interface OrchestratorClientOptions {
  /** `http(s)://host:port` */
  readonly url: string;
  readonly token?: string;
  /** For connections of one's own; undici's shared ones if absent. */
  readonly dispatcher?: Dispatcher;
}

/** Either where the task can run, or why nowhere: both are answers, not failures. */
export type PlacementAnswer =
  | ({ readonly kind: 'placed' } & PlacementDocument)
  | ({ readonly kind: 'refused'; readonly detail: string } & NoPlacementDocument);

type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE';

const DEADLINE_MS = 10_000;

/**
 * A typed client of `shoal orchestrator`. Every failure is a ShoalError: `unreachable` when nobody answers, `not-found`,
 * `conflict`, `unauthorized`, `invalid`, `source-busy` (its field `retryAfter` in seconds) when it does.
 */
export class OrchestratorClient {
  readonly #url: URL;
  readonly #options: OrchestratorClientOptions;

  constructor(options: OrchestratorClientOptions) {
    this.#url = new URL(options.url.endsWith('/') ? options.url : `${options.url}/`);
    this.#options = options;
  }

  async register(registration: Registration, signal: AbortSignal): Promise<void> {
    await this.#call('POST', 'v2/nodes/register', registration, signal);
  }

  /** Returns when the next one is expected. @throws ShoalError `not-found` when the node has to register (again) */
  async heartbeat(nodeId: string, heartbeat: Heartbeat, signal: AbortSignal): Promise<{ next_heartbeat_ms: number }> {
    return this.#call('POST', `v2/nodes/${encodeURIComponent(nodeId)}/heartbeat`, heartbeat, signal);
  }

  async deleteNode(nodeId: string, signal: AbortSignal): Promise<void> {
    await this.#call('DELETE', `v2/nodes/${encodeURIComponent(nodeId)}`, undefined, signal);
  }

  async changeNode(nodeId: string, change: NodeChangeRequest, signal: AbortSignal): Promise<NodeDocument> {
    return this.#call('PATCH', `v2/nodes/${encodeURIComponent(nodeId)}`, change, signal);
  }

  /** Those that are online, or all that are registered. */
  async nodes(options: { readonly all: boolean }, signal: AbortSignal): Promise<NodeDocument[]> {
    const path = options.all ? 'v2/nodes?all=true' : 'v2/nodes';
    return (await this.#call<{ nodes: NodeDocument[] }>('GET', path, undefined, signal)).nodes;
  }

  async availability(signal: AbortSignal): Promise<AvailabilityDocument> {
    return this.#call('GET', 'v2/catalog/availability', undefined, signal);
  }

  /** Node by node, for fleets whose whole document is too large to hold. */
  async *nodesAvailability(
    options: { readonly pageSize: number },
    signal: AbortSignal,
  ): AsyncGenerator<NodeAvailability> {
    let cursor: string | undefined;
    do {
      const after = cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const path = `v2/catalog/availability?limit=${options.pageSize}${after}`;
      const page = await this.#call<AvailabilityDocument & { next_cursor?: string }>('GET', path, undefined, signal);
      yield* Object.values(page.nodes);
      cursor = page.next_cursor;
    } while (cursor !== undefined);
  }

  async place(wish: PlacementRequest, signal: AbortSignal): Promise<PlacementAnswer> {
    try {
      const deadlineMs = DEADLINE_MS + (wish.max_wait_ms ?? 0);
      const placed = await this.#call<PlacementDocument>('POST', 'v2/placement', wish, signal, deadlineMs);
      return { kind: 'placed', ...placed };
    } catch (error) {
      if (!(error instanceof ShoalError) || error.fields['refused'] === undefined) throw error;
      return { kind: 'refused', detail: error.message, ...(error.fields as unknown as NoPlacementDocument) };
    }
  }

  /** @throws ShoalError `conflict` when the pool has no slot left */
  async lease(wish: LeaseRequest, signal: AbortSignal): Promise<LeaseDocument> {
    return this.#call('POST', 'v2/leases', wish, signal);
  }

  /** The work has ended, after `tookMs`, or will not begin. A lease that has run out is no error. */
  async release(leaseId: string, options: { readonly tookMs?: number }, signal: AbortSignal): Promise<void> {
    const query = options.tookMs === undefined ? '' : `?took_ms=${options.tookMs}`;
    try {
      await this.#call('DELETE', `v2/leases/${encodeURIComponent(leaseId)}${query}`, undefined, signal);
    } catch (error) {
      if (!(error instanceof ShoalError) || error.code !== 'not-found') throw error;
    }
  }

  async registerModel(model: CatalogRequest, signal: AbortSignal): Promise<CatalogModelDocument> {
    return this.#call('POST', 'v2/catalog/models', model, signal);
  }

  /** A retired model is placed for `deadlineMs` more. */
  async setModelState(
    id: string,
    state: { readonly state: 'Active' | 'Retired'; readonly deadline_ms?: number },
    signal: AbortSignal,
  ): Promise<CatalogModelDocument> {
    return this.#call('POST', `v2/catalog/models/${encodeURIComponent(id)}/state`, state, signal);
  }

  async #call<T>(
    method: Method,
    path: string,
    body: unknown,
    signal: AbortSignal,
    deadlineMs = DEADLINE_MS,
  ): Promise<T> {
    const { token, dispatcher } = this.#options;
    let status: number;
    let text: string;
    try {
      ({ status, text } = await withDeadline(
        deadlineMs,
        async (deadline) => {
          const answer = await request(new URL(path, this.#url), {
            method,
            headers: {
              ...(body === undefined ? {} : { 'content-type': 'application/json' }),
              ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
            },
            ...(body === undefined ? {} : { body: JSON.stringify(body) }),
            ...(dispatcher === undefined ? {} : { dispatcher }),
            headersTimeout: deadlineMs,
            signal: deadline,
          });
          return { status: answer.statusCode, text: await answer.body.text() };
        },
        signal,
      ));
    } catch (error) {
      signal.throwIfAborted();
      const why = isAbort(error) ? `no answer within ${deadlineMs} ms` : messageOf(error);
      throw new ShoalError('unreachable', `no orchestrator answers at ${this.#url.origin} (${why})`, { cause: error });
    }
    const document = text === '' ? undefined : parseJson(text);
    if (status >= 200 && status < 300) return document as T;
    throw failure(status, document);
  }
}

function failure(status: number, document: unknown): ShoalError {
  const { detail, remedy, ...facts } = (document ?? {}) as Readonly<Record<string, unknown>>;
  const message = typeof detail === 'string' ? detail : `the orchestrator answered with status ${status}`;
  return new ShoalError(codes[status] ?? 'internal', message, {
    ...(typeof remedy === 'string' ? { remedy } : {}),
    fields: { ...facts, status },
  });
}

const codes: Readonly<Record<number, ErrorCode>> = {
  400: 'invalid',
  401: 'unauthorized',
  403: 'unauthorized',
  404: 'not-found',
  409: 'conflict',
  413: 'invalid',
  429: 'source-busy',
  503: 'source-busy',
};

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined; // a proxy's page
  }
}
