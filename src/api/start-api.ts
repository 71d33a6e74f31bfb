import type { NodeService } from '../flows/node-service.ts';
import { type HostPort, isLoopbackHost } from '../util/host-port.ts';
import type { Log } from '../util/log.ts';
import type { App, RouteParts } from './app.ts';
import { describe } from './describe-app.ts';
import { EventStreams, eventRoute, usualEventStreams } from './event-streams.ts';
import { daemonExamples } from './examples.ts';
import { BearerGuard, checkHost, checkOrigin, securityHeaders } from './guard.ts';
import { type Api, assertGuarded, createApp, observe, sendProblem, serveApp } from './http-app.ts';
import { encodeModelId } from './model-url.ts';
import { pageRoutes } from './page.ts';
import { fleetRoutes, pieceMapRoutes } from './routes/fleet.ts';
import { healthRoutes } from './routes/health.ts';
import { modelRoutes } from './routes/models.ts';
import { nodeRoutes } from './routes/node.ts';
import { catalogRoutes } from './routes/v2-catalog.ts';
import { poolRoutes } from './routes/v2-pools.ts';

export interface ApiOptions extends HostPort {
  /** Without it only loopback is allowed. */
  readonly token?: string;
  readonly version: string;
}

const MAX_CONNECTIONS = 512;

/**
 * Serves the HTTP API until it is disposed of.
 * @throws ShoalError `invalid` beyond loopback without a token, `conflict` when the address is taken
 */
export async function startApi(options: ApiOptions, parts: { service: NodeService; log: Log }): Promise<Api> {
  const isLoopback = isLoopbackHost(options.host);
  assertGuarded(options, { hasToken: options.token !== undefined });
  const { service } = parts;
  const log = parts.log.child({ part: 'api' });
  const closing = new AbortController();
  const events = new EventStreams(usualEventStreams, { service, log });
  const app = createApp({
    maxConnections: MAX_CONNECTIONS,
    rewriteUrl: encodeModelId,
    answerProblem: sendProblem,
  });
  protect(app, { isLoopback, token: options.token });
  const patternOf = (path: string): string => path.replace(/^\/v1\/models\/[^/]+/, '/v1/models/:id');
  observe(app, { metrics: service.metrics, log, answerProblem: sendProblem, patternOf });
  await describe(
    app,
    {
      title: 'Shoal',
      version: options.version,
      description: "One node of a fleet that keeps every GPU node's models directory stocked.",
    },
    daemonExamples,
  );
  const routes: RouteParts = { service, version: options.version, signal: closing.signal };
  for (const add of [healthRoutes, modelRoutes, nodeRoutes, catalogRoutes, poolRoutes]) add(app, routes);
  eventRoute(app, {
    events,
    summary:
      'Server-sent events `model`, `transfer`, `peer`, `origin`, `fleet`; no replay: read the state after connecting',
    tags: ['node'],
  });
  fleetRoutes(app, service);
  pieceMapRoutes(app, routes);
  await pageRoutes(app);
  return serveApp(app, options, { events, closing });
}

function protect(app: App, options: { isLoopback: boolean; token: string | undefined }): void {
  const bearer = options.token === undefined ? undefined : new BearerGuard(options.token);
  app.addHook('onRequest', (request, reply, done) => {
    reply.headers({ ...securityHeaders, 'x-correlation-id': request.id });
    if (request.routeOptions.config.unhurried === true) request.raw.socket.setTimeout(0);
    if (options.isLoopback) checkHost(request);
    checkOrigin(request);
    if (request.routeOptions.config.open !== true) bearer?.check(request);
    done();
  });
}
