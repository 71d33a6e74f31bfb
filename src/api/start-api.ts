import { randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import swagger from '@fastify/swagger';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import { type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import type { TSchema } from 'typebox';
import type { NodeService } from '../flows/node-service.ts';
import { errnoOf, messageOf, ShoalError } from '../util/errors.ts';
import { formatHostPort, type HostPort, isLoopbackHost } from '../util/host-port.ts';
import type { Log } from '../util/log.ts';
import type { App, RouteParts } from './app.ts';
import { EventStreams, usualEventStreams } from './event-streams.ts';
import { BearerGuard, checkHost, checkOrigin, securityHeaders } from './guard.ts';
import { encodeModelId } from './model-url.ts';
import { problemOf, RequestError } from './problem.ts';
import { healthRoutes } from './routes/health.ts';
import { modelRoutes } from './routes/models.ts';
import { nodeRoutes } from './routes/node.ts';
import { sharedSchemas } from './schemas.ts';
import { compileValidator } from './validator.ts';

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

/** Requests are small; only answers are large. */
const BODY_MAX_BYTES = 64 * 1024;
const HEADERS_MAX_BYTES = 16 * 1024;
const REQUEST_DEADLINE_MS = 10_000;
/** A connection without a byte in either direction; routes that may take longer say `unhurried`. */
const IDLE_LIMIT_MS = 60_000;
/** An id has up to 1,024 bytes, and each may be written as %XX. */
const PARAMETER_MAX_LENGTH = 3_072;
const MAX_CONNECTIONS = 512;
/** What is in progress when the API closes may take this long. */
const CLOSE_DEADLINE_MS = 1_000;

/**
 * Serves the HTTP API until it is disposed of.
 * @throws ShoalError `invalid` beyond loopback without a token, `conflict` when the address is taken
 */
export async function startApi(options: ApiOptions, parts: { service: NodeService; log: Log }): Promise<Api> {
  const isLoopback = isLoopbackHost(options.host);
  if (!isLoopback && options.token === undefined) {
    throw new ShoalError('invalid', `the API would be open to others at ${formatHostPort(options)}, without a token`, {
      remedy: 'Set SHOAL_TOKEN or token-file, or keep the API on 127.0.0.1.',
    });
  }
  const log = parts.log.child({ part: 'api' });
  const closing = new AbortController();
  const events = new EventStreams(usualEventStreams, { service: parts.service, log });
  const app = createApp();
  protect(app, { isLoopback, token: options.token });
  observe(app, { service: parts.service, log });
  await describe(app, options.version);
  const routes: RouteParts = { service: parts.service, events, version: options.version, signal: closing.signal };
  for (const add of [healthRoutes, modelRoutes, nodeRoutes]) add(app, routes);
  await listen(app, options);
  const { address, port } = app.server.address() as AddressInfo;
  return {
    address: { host: address, port },
    url: `http://${formatHostPort({ host: isLoopback ? address : '127.0.0.1', port })}`,
    async [Symbol.asyncDispose]() {
      events[Symbol.dispose]();
      closing.abort(new DOMException('the API is closing', 'AbortError'));
      const deadline = setTimeout(() => app.server.closeAllConnections(), CLOSE_DEADLINE_MS);
      await app.close();
      clearTimeout(deadline);
    },
  };
}

function createApp(): App {
  const app = fastify({
    bodyLimit: BODY_MAX_BYTES,
    requestTimeout: REQUEST_DEADLINE_MS,
    connectionTimeout: IDLE_LIMIT_MS,
    forceCloseConnections: 'idle',
    http: { maxHeaderSize: HEADERS_MAX_BYTES, headersTimeout: REQUEST_DEADLINE_MS },
    routerOptions: { maxParamLength: PARAMETER_MAX_LENGTH },
    rewriteUrl: (request) => encodeModelId(request.method ?? 'GET', request.url ?? '/'),
    genReqId: (request) => correlationId(request.headers['x-correlation-id']),
    frameworkErrors: answerProblem,
  }).withTypeProvider<TypeBoxTypeProvider>();
  app.server.maxConnections = MAX_CONNECTIONS;
  for (const schema of sharedSchemas) app.addSchema(schema);
  app.setValidatorCompiler(({ schema, httpPart }) => compileValidator(schema as TSchema, httpPart));
  // The type check has compared the views with the schemas: no need to pick the answers apart again at run time.
  app.setSerializerCompiler(() => (answer) => JSON.stringify(answer));
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => {
    try {
      done(null, body === '' ? undefined : JSON.parse(body as string));
    } catch (error) {
      done(
        new ShoalError('invalid', 'the body is not JSON', { cause: error, remedy: 'Send a JSON object or nothing.' }),
      );
    }
  });
  app.addHook('preValidation', (request, _reply, done) => {
    // Every body of this API may be left out.
    if (request.routeOptions.schema?.body !== undefined) request.body ??= {};
    done();
  });
  return app;
}

/** The caller's own id when it is safe to log and to send back, else a new one. */
function correlationId(given: string | string[] | undefined): string {
  return typeof given === 'string' && /^[A-Za-z0-9._:/+=-]{1,128}$/.test(given) ? given : randomUUID();
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

function observe(app: App, { service, log }: { service: NodeService; log: Log }): void {
  const seconds = service.metrics.histogram(
    'shoal_api_request_seconds',
    'Time to answer, by route',
    [0.002, 0.02, 0.2, 2],
    ['method', 'route', 'status'],
  );
  app.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'none';
    seconds.observe({ method: request.method, route, status: `${reply.statusCode}` }, reply.elapsedTime / 1000);
    log.debug({ method: request.method, route, status: reply.statusCode, correlationId: request.id }, 'request');
    done();
  });
  app.setErrorHandler((error, request, reply) => {
    const { status } = answerProblem(error, request, reply);
    if (status === 500) log.error({ err: error, correlationId: request.id, url: request.url }, 'request failed');
  });
  app.setNotFoundHandler((request, reply) => {
    answerProblem(noSuchRoute(app, request), request, reply);
  });
}

function noSuchRoute(app: App, request: FastifyRequest): RequestError {
  const path = request.url.split('?', 1)[0] ?? '';
  const pattern = path.replace(/^\/v1\/models\/[^/]+/, '/v1/models/:id');
  const others = (['GET', 'PUT', 'POST', 'DELETE'] as const).filter((method) => app.hasRoute({ method, url: pattern }));
  if (others.length === 0) {
    return new RequestError(404, 'no-such-route', `there is nothing at ${path.slice(0, 256)}`, 'See /openapi.json.');
  }
  const remedy = `Use ${others.join(' or ')}; see /openapi.json.`;
  return new RequestError(405, 'method-not-allowed', `${request.method} means nothing here`, remedy);
}

function answerProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): { status: number } {
  const document = problemOf(error, request.id);
  if (document.status === 401) reply.header('www-authenticate', 'Bearer realm="shoal"');
  reply
    .code(document.status)
    .headers({ ...securityHeaders, 'x-correlation-id': request.id })
    .type('application/problem+json')
    .serializer(JSON.stringify)
    .send(document);
  return document;
}

async function describe(app: App, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Shoal',
        version,
        description: "One node of a fleet that keeps every GPU node's models directory stocked.",
      },
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
      security: [{ bearer: [] }],
    },
    refResolver: { buildLocalReference: (json) => json['$id'] as string },
  });
}

async function listen(app: App, { host, port }: HostPort): Promise<void> {
  try {
    await app.listen({ host, port });
  } catch (error) {
    await app.close();
    const errno = errnoOf(error);
    const place = formatHostPort({ host, port });
    if (errno === undefined) throw error;
    throw new ShoalError('conflict', `the API cannot listen on ${place} (${errno}: ${messageOf(error)})`, {
      cause: error,
      remedy:
        errno === 'EADDRINUSE'
          ? 'Another daemon may be running: end it, or choose another address with --api.'
          : 'Choose an address of this machine with --api.',
    });
  }
}
