import type { AddressInfo } from 'node:net';
import type { NodeService } from '../flows/node-service.ts';
import { type HostPort, isLoopbackHost, localUrl } from '../util/host-port.ts';
import type { Log } from '../util/log.ts';
import type { App, RouteParts } from './app.ts';
import { EventStreams, usualEventStreams } from './event-streams.ts';
import { BearerGuard, checkHost, checkOrigin, securityHeaders } from './guard.ts';
import { assertGuarded, closeApp, createApp, describe, listen, observe, sendProblem } from './http-app.ts';
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

export interface Api extends AsyncDisposable {
  /** Where it listens, with the real port. */
  readonly address: HostPort;
  /** For clients on this machine. */
  readonly url: string;
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
  await describe(app, {
    title: 'Shoal',
    version: options.version,
    description: "One node of a fleet that keeps every GPU node's models directory stocked.",
  });
  const routes: RouteParts = { service, events, version: options.version, signal: closing.signal };
  for (const add of [healthRoutes, modelRoutes, nodeRoutes, catalogRoutes, poolRoutes]) add(app, routes);
  fleetRoutes(app, service);
  pieceMapRoutes(app, routes);
  await pageRoutes(app);
  await listen(app, options);
  const { address, port } = app.server.address() as AddressInfo;
  return {
    address: { host: address, port },
    url: localUrl({ host: address, port }),
    async [Symbol.asyncDispose]() {
      events[Symbol.dispose]();
      closing.abort(new DOMException('the API is closing', 'AbortError'));
      await closeApp(app);
    },
  };
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
