import { randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import { type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import type { TSchema } from 'typebox';
import { errnoOf, ShoalError } from '../util/errors.ts';
import { formatHostPort, type HostPort, isLoopbackHost, localUrl } from '../util/host-port.ts';
import { listenFailure } from '../util/listen-failure.ts';
import type { Log } from '../util/log.ts';
import type { Metrics } from '../util/metrics.ts';
import type { App } from './app.ts';
import { answerClientError } from './client-error.ts';
import { securityHeaders } from './guard.ts';
import { problemOf, RequestError } from './problem.ts';
import { sharedSchemas } from './schemas.ts';
import { compileValidator } from './validator.ts';

/** Requests are small; only answers are large. */
const BODY_MAX_BYTES = 64 * 1024;
const HEADERS_MAX_BYTES = 16 * 1024;
const REQUEST_DEADLINE_MS = 10_000;
/** A connection without a byte in either direction; routes that may take longer say `unhurried`. */
const IDLE_LIMIT_MS = 60_000;
/** An id has up to 1,024 bytes, and each may be written as %XX. */
const PARAMETER_MAX_LENGTH = 3_072;
/** What is in progress when an API closes may take this long. */
const CLOSE_DEADLINE_MS = 1_000;

export interface HttpAppOptions {
  readonly maxConnections: number;
  /** Ids contain slashes: this makes one parameter of them before a route is chosen. */
  readonly rewriteUrl: (method: string, url: string) => string;
  readonly answerProblem: ProblemAnswerer;
  /** Checks a part of a request; `compileValidator` unless something better is known. */
  readonly validator?: typeof compileValidator;
}

/** Sends the problem document of an error; what it returns is for the log. */
export type ProblemAnswerer = (error: unknown, request: FastifyRequest, reply: FastifyReply) => { status: number };

/** What the API of a daemon and that of an orchestrator have in common: limits, parsing, validation. */
export function createApp(options: HttpAppOptions): App {
  const app = fastify({
    bodyLimit: BODY_MAX_BYTES,
    requestTimeout: REQUEST_DEADLINE_MS,
    connectionTimeout: IDLE_LIMIT_MS,
    forceCloseConnections: 'idle',
    http: { maxHeaderSize: HEADERS_MAX_BYTES, headersTimeout: REQUEST_DEADLINE_MS },
    routerOptions: { maxParamLength: PARAMETER_MAX_LENGTH },
    rewriteUrl: (request) => options.rewriteUrl(request.method ?? 'GET', request.url ?? '/'),
    genReqId: (request) => correlationId(request.headers['x-correlation-id']),
    frameworkErrors: options.answerProblem,
    clientErrorHandler: answerClientError,
  }).withTypeProvider<TypeBoxTypeProvider>();
  const compile = options.validator ?? compileValidator;
  app.server.maxConnections = options.maxConnections;
  for (const schema of sharedSchemas) app.addSchema(schema);
  app.setValidatorCompiler(({ schema, httpPart }) => compile(schema as TSchema, httpPart));
  // The type check has compared the views with the schemas: no need to pick the answers apart again at run time.
  app.setSerializerCompiler(() => (answer) => JSON.stringify(answer));
  // What `fetch` calls a string when nobody says that it is JSON: no route takes a text.
  app.removeContentTypeParser('text/plain');
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

/** @throws ShoalError `invalid` beyond loopback without a token */
export function assertGuarded(address: HostPort, options: { readonly hasToken: boolean }): void {
  if (options.hasToken || isLoopbackHost(address.host)) return;
  throw new ShoalError('invalid', `the API would be open to others at ${formatHostPort(address)}, without a token`, {
    remedy: 'Set SHOAL_TOKEN or token-file, or keep the API on 127.0.0.1.',
  });
}

export interface ObserveParts {
  readonly metrics: Metrics;
  readonly log: Log;
  readonly answerProblem: ProblemAnswerer;
  /** `/v1/models/a%2Fb` → `/v1/models/:id`, to say which methods a path has. */
  readonly patternOf: (path: string) => string;
}

/** Counts and logs every request, and answers what fails. */
export function observe(app: App, { metrics, log, answerProblem, patternOf }: ObserveParts): void {
  const seconds = metrics.histogram(
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
    const path = request.url.split('?', 1)[0] ?? '';
    const url = patternOf(path);
    const methods = METHODS.filter((method) => app.hasRoute({ method, url }));
    if (methods.length > 0) reply.header('allow', methods.join(', '));
    answerProblem(noSuchRoute(request, path, methods), request, reply);
  });
}

const METHODS = ['GET', 'HEAD', 'PUT', 'POST', 'PATCH', 'DELETE'] as const;

function noSuchRoute(request: FastifyRequest, path: string, methods: readonly string[]): RequestError {
  if (methods.length === 0) {
    return new RequestError(404, 'no-such-route', `there is nothing at ${path.slice(0, 256)}`, 'See /openapi.json.');
  }
  const remedy = `Use ${methods.filter((method) => method !== 'HEAD').join(' or ')}; see /openapi.json.`;
  return new RequestError(405, 'method-not-allowed', `${request.method} means nothing here`, remedy);
}

/** The RFC 9457 document, with `more` beside its own members. */
export function sendProblem(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  more: (problem: { readonly detail: string }) => object = () => ({}),
): { status: number } {
  const document = problemOf(error, request);
  if (document.status === 401) reply.header('www-authenticate', 'Bearer realm="shoal"');
  const { retryAfter } = document as { readonly retryAfter?: unknown };
  if (document.status === 503 && typeof retryAfter === 'string') reply.header('retry-after', retryAfter);
  reply
    .code(document.status)
    .headers({ ...securityHeaders, 'x-correlation-id': request.id })
    .type('application/problem+json')
    .serializer(JSON.stringify)
    .send({ ...more(document), ...document });
  return document;
}

export interface Api extends AsyncDisposable {
  /** Where it listens, with the real port. */
  readonly address: HostPort;
  /** For clients on this machine. */
  readonly url: string;
}

/**
 * Listens until it is disposed of: then event streams end, work that waits hears of it through `closing`, and what is
 * under way may end.
 * @throws ShoalError `conflict` when the address is taken or not of this machine
 */
export async function serveApp(
  app: App,
  at: HostPort,
  parts: { readonly events: Disposable; readonly closing: AbortController },
): Promise<Api> {
  await listen(app, at);
  const { address: host, port } = app.server.address() as AddressInfo;
  return {
    address: { host, port },
    url: localUrl({ host, port }),
    async [Symbol.asyncDispose]() {
      parts.events[Symbol.dispose]();
      parts.closing.abort(new DOMException('the API is closing', 'AbortError'));
      await closeApp(app);
    },
  };
}

async function listen(app: App, { host, port }: HostPort): Promise<void> {
  try {
    await app.listen({ host, port });
  } catch (error) {
    await app.close();
    if (errnoOf(error) === undefined) throw error;
    throw listenFailure(error, { what: 'the API', flag: '--api', address: { host, port } });
  }
}

/** Lets requests that are under way end, but not for long. */
async function closeApp(app: App): Promise<void> {
  const deadline = setTimeout(() => app.server.closeAllConnections(), CLOSE_DEADLINE_MS);
  await app.close();
  clearTimeout(deadline);
}
