import { type ClientRequest, type IncomingMessage, request as requestHttp } from 'node:http';
import { text as readAll } from 'node:stream/consumers';
import type { Problem } from '../api/schemas.ts';
import { connectionTrouble } from '../util/connection-trouble.ts';
import { type ErrorCode, ShoalError } from '../util/errors.ts';
import { readEvents, type ServerEvent } from '../util/event-reader.ts';

export interface ApiClientOptions {
  /** `http(s)://host:port`, perhaps with a path. */
  readonly url: string;
  readonly token: string | undefined;
}

type Method = 'GET' | 'PUT' | 'POST' | 'DELETE';

/** Answers that need no reading of models come at once; a daemon that hangs is one that does not answer. */
const ANSWER_DEADLINE_MS = 30_000;
/** A deletion waits up to 40 s for orchestrators that do not answer. */
const DELETION_DEADLINE_MS = 60_000;

/** Events come with a comment every 15 s: a connection that is silent for three of them is dead. */
const SILENCE_MAX_MS = 45_000;

/** The daemon's HTTP API. Every failure is a ShoalError; `unreachable` without a `status` field: nobody answered. */
export class ApiClient {
  readonly url: string;
  readonly #token: string | undefined;

  constructor(options: ApiClientOptions) {
    this.url = options.url;
    this.#token = options.token;
  }

  get<T>(path: string, signal: AbortSignal): Promise<T> {
    return this.#call<T>('GET', path, signal, ANSWER_DEADLINE_MS);
  }

  put<T>(path: string, signal: AbortSignal): Promise<T> {
    return this.#call<T>('PUT', path, signal, ANSWER_DEADLINE_MS);
  }

  delete<T>(path: string, signal: AbortSignal): Promise<T> {
    return this.#call<T>('DELETE', path, signal, DELETION_DEADLINE_MS);
  }

  /** Waits as long as the daemon needs: it reads whole models for some of these. */
  post<T>(path: string, signal: AbortSignal): Promise<T> {
    return this.#call<T>('POST', path, signal, 0);
  }

  /** The daemon's events from now on; ends when the connection does. */
  async *events(signal: AbortSignal): AsyncGenerator<ServerEvent> {
    const response = await this.#send('GET', '/v1/events', signal, SILENCE_MAX_MS);
    if (response.statusCode !== 200) throw await this.#failure(response);
    try {
      yield* readEvents(response);
    } catch (error) {
      signal.throwIfAborted();
      throw this.#unreachable(error);
    }
  }

  async #call<T>(method: Method, path: string, signal: AbortSignal, deadlineMs: number): Promise<T> {
    const response = await this.#send(method, path, signal, deadlineMs);
    const status = response.statusCode ?? 0;
    if (status < 200 || status > 299) throw await this.#failure(response);
    let body: string;
    try {
      body = await readAll(response);
    } catch (error) {
      signal.throwIfAborted();
      throw this.#unreachable(error);
    }
    if (status === 204) return undefined as T;
    try {
      return JSON.parse(body) as T;
    } catch (error) {
      throw this.#notADaemon(`${method} ${path} was answered with something else than JSON`, error);
    }
  }

  async #send(method: Method, path: string, signal: AbortSignal, deadlineMs: number): Promise<IncomingMessage> {
    signal.throwIfAborted();
    const url = new URL(this.url + path);
    const send = url.protocol === 'https:' ? (await import('node:https')).request : requestHttp;
    return new Promise((resolve, reject) => {
      const request: ClientRequest = send(url, {
        method,
        signal,
        headers: this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` },
      });
      if (deadlineMs > 0) {
        request.setTimeout(deadlineMs, () => request.destroy(new Error(`no answer within ${deadlineMs / 1000} s`)));
      }
      request.once('response', resolve);
      request.once('error', (error) => {
        reject(signal.aborted ? (signal.reason as Error) : this.#unreachable(error));
      });
      request.end();
    });
  }

  async #failure(response: IncomingMessage): Promise<ShoalError> {
    const status = response.statusCode ?? 0;
    const body = await readAll(response).catch(() => '');
    const problem = parseProblem(body);
    if (problem === undefined || problem.code === 'no-such-route') {
      return this.#notADaemon(`it answered with status ${status}`, undefined);
    }
    const { detail, code, remedy, ...facts } = problem;
    return new ShoalError(knownCode(code), detail, {
      ...(remedy === undefined ? {} : { remedy }),
      fields: { ...facts, status },
    });
  }

  #unreachable(cause: unknown): ShoalError {
    return new ShoalError('unreachable', `no daemon answers at ${this.url} (${connectionTrouble(cause)})`, {
      cause,
      remedy: 'Start it with "shoal daemon", or name another with --api or SHOAL_API.',
    });
  }

  #notADaemon(what: string, cause: unknown): ShoalError {
    return new ShoalError('internal', `what listens at ${this.url} is no Shoal daemon of this version: ${what}`, {
      cause,
      remedy: 'Check the address given with --api or SHOAL_API.',
    });
  }
}

const codes: ReadonlySet<string> = new Set<ErrorCode>([
  ...(['invalid', 'not-found', 'conflict', 'unauthorized', 'disk-full', 'verification-failed', 'changed'] as const),
  ...(['piece-corrupt', 'source-lied', 'source-stalled', 'source-gone', 'source-busy', 'unreachable'] as const),
]);

/** A daemon of another version may have codes that we lack. */
export function knownCode(code: string): ErrorCode {
  return codes.has(code) ? (code as ErrorCode) : 'internal';
}

function parseProblem(body: string): Problem | undefined {
  try {
    const document = JSON.parse(body) as Partial<Problem> | null;
    if (typeof document?.code !== 'string' || typeof document.detail !== 'string') return undefined;
    return document as Problem;
  } catch {
    return undefined; // a proxy's page, or another program
  }
}

export function modelPath(id: string, action?: 'want' | 'pin' | 'verify'): string {
  return `/v1/models/${encodeURIComponent(id)}${action === undefined ? '' : `/${action}`}`;
}
