import type { FastifyReply, FastifyRequest } from 'fastify';
import type { TSchema } from 'typebox';
import { AvailabilityStream } from '../../orchestrator/availability-stream.ts';
import { HeartbeatSchema } from '../../orchestrator/documents.ts';
import type { Orchestrator } from '../../orchestrator/orchestrator.ts';
import { parseHeartbeat, parserOf } from '../../orchestrator/parse-document.ts';
import type { TokenTable } from '../../orchestrator/token-table.ts';
import type { Clock } from '../../util/clock.ts';
import { ShoalError } from '../../util/errors.ts';
import { type HostPort, isLoopbackHost } from '../../util/host-port.ts';
import type { Log } from '../../util/log.ts';
import type { Metrics } from '../../util/metrics.ts';
import type { App } from '../app.ts';
import { describe } from '../describe-app.ts';
import { EventStreams, eventRoute, usualEventStreams } from '../event-streams.ts';
import { checkHost, checkOrigin, securityHeaders } from '../guard.ts';
import { type Api, assertGuarded, createApp, observe, sendProblem, serveApp } from '../http-app.ts';
import { encodeModelId } from '../model-url.ts';
import { pageRoutes } from '../page.ts';
import { fleetRoutes } from '../routes/fleet.ts';
import { compileValidator } from '../validator.ts';
import { orchestratorExamples } from './examples.ts';
import { fleetEvents } from './fleet-events.ts';
import { forbidden, type OrchestratorRouteParts } from './orchestrator-app.ts';
import { RegistryFleet } from './registry-fleet.ts';
import { catalogRoutes } from './routes/catalog.ts';
import { healthRoutes } from './routes/health.ts';
import { nodeRoutes } from './routes/nodes.ts';
import { placementRoutes } from './routes/placement.ts';

export interface OrchestratorApiOptions extends HostPort {
  readonly version: string;
}

export interface OrchestratorApiParts {
  readonly orchestrator: Orchestrator;
  /** Without tokens only loopback is allowed. */
  readonly tokens: TokenTable | undefined;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly log: Log;
}

/** Every node keeps a connection, and so do callers. */
const MAX_CONNECTIONS = 16_384;

/**
 * Serves the orchestrator's HTTP API until it is disposed of.
 * @throws ShoalError `invalid` beyond loopback without a token, `conflict` when the address is taken
 */
export async function startOrchestratorApi(options: OrchestratorApiOptions, parts: OrchestratorApiParts): Promise<Api> {
  const { orchestrator, tokens, metrics, clock } = parts;
  const isLoopback = isLoopbackHost(options.host);
  assertGuarded(options, { hasToken: tokens !== undefined });
  const log = parts.log.child({ part: 'api' });
  const closing = new AbortController();
  const fleet = new RegistryFleet({ orchestrator, clock });
  const events = new EventStreams(usualEventStreams, { service: fleetEvents(orchestrator, { fleet, metrics }), log });
  const app = createApp({
    maxConnections: MAX_CONNECTIONS,
    rewriteUrl: encodeModelId,
    answerProblem: sendShapedProblem,
    validator: compileOrchestratorValidator,
  });
  protect(app, { isLoopback, tokens });
  observe(app, { metrics, log, answerProblem: sendShapedProblem, patternOf });
  await describe(
    app,
    {
      title: 'Shoal orchestrator',
      version: options.version,
      description: 'Consumes the heartbeats of nodes, and says which models are where and where a task can run.',
    },
    orchestratorExamples,
  );
  const routes: OrchestratorRouteParts = {
    ...{ orchestrator, tokens, metrics, clock, version: options.version, signal: closing.signal },
    availability: new AvailabilityStream({ registry: orchestrator.registry }),
  };
  for (const add of [healthRoutes, nodeRoutes, catalogRoutes, placementRoutes]) add(app, routes);
  eventRoute(app, {
    events,
    summary:
      'Server-sent events `node` (whose state, pools or models have changed) and `fleet` (read it again); no replay',
    tags: ['watch'],
  });
  fleetRoutes(app, { fleet });
  await pageRoutes(app);
  return serveApp(app, options, { events, closing });
}

function protect(app: App, { isLoopback, tokens }: { isLoopback: boolean; tokens: TokenTable | undefined }): void {
  app.addHook('onRequest', (request, reply, done) => {
    const { config } = request.routeOptions;
    reply.headers({ ...securityHeaders, 'x-correlation-id': request.id });
    if (config.unhurried === true) request.raw.socket.setTimeout(0);
    if (isLoopback) checkHost(request);
    checkOrigin(request);
    if (config.open !== true && tokens !== undefined) {
      const bearer = tokens.check(request.headers.authorization);
      if (bearer.kind === 'node' && config.nodes !== true) throw forbidden('the token of a node may not do this');
      request.bearer = bearer;
    }
    done();
  });
}

/** Bodies are checked with their field named; a heartbeat has more rules than a schema can hold. */
function compileOrchestratorValidator(schema: TSchema, part?: string): ReturnType<typeof compileValidator> {
  if (part !== 'body') return compileValidator(schema, part);
  const parse = schema === HeartbeatSchema ? parseHeartbeat : parserOf(schema);
  return (given) => {
    try {
      return { value: parse(given) };
    } catch (error) {
      if (error instanceof ShoalError) return { error };
      throw error;
    }
  };
}

/** Problem documents that also are what clients of other orchestrators read: one document serves both. */
function sendShapedProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): { status: number } {
  return sendProblem(error, request, reply, ({ detail }) => {
    const { errorShape } = request.routeOptions.config;
    if (errorShape === 'node') return { success: false, message: detail, node_id: nodeIdOf(request) };
    return errorShape === 'catalog' ? { error: detail } : {};
  });
}

function nodeIdOf(request: FastifyRequest): string {
  const { node_id: inPath } = (request.params ?? {}) as { node_id?: unknown };
  const { node_id: inBody } = (request.body ?? {}) as { node_id?: unknown };
  const id = inPath ?? inBody;
  return typeof id === 'string' ? id.slice(0, 256) : '';
}

function patternOf(path: string): string {
  return path
    .replace(/^\/v2\/catalog\/models\/[^/]+/, '/v2/catalog/models/:id')
    .replace(/^\/v2\/nodes\/(?!register$)[^/]+/, '/v2/nodes/:node_id')
    .replace(/^\/v2\/leases\/[^/]+/, '/v2/leases/:lease_id');
}
