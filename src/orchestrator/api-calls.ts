import { type Dispatcher, request } from 'undici';
import { connectionTrouble } from '../util/connection-trouble.ts';
import { withDeadline } from '../util/deadline.ts';
import { type ErrorCode, isAbort, ShoalError } from '../util/errors.ts';
import { readEvents, type ServerEvent } from '../util/event-reader.ts';

export interface ApiCallsOptions {
  /** `http(s)://host:port`, perhaps with a path. */
  readonly url: string;
  readonly token?: string | undefined;
  /** For connections of one's own; undici's shared ones if absent. */
  readonly dispatcher?: Dispatcher;
}

export interface Call {
  readonly method?: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly body?: unknown;
  readonly deadlineMs?: number;
}

const DEADLINE_MS = 10_000;
/** Events come with a comment every 15 s: a connection that is silent for three of them is dead. */
const SILENCE_MAX_MS = 45_000;

/** JSON requests to one server; what it refuses becomes a ShoalError with the facts of its problem document. */
export class ApiCalls {
  readonly #url: URL;
  readonly #options: ApiCallsOptions;

  constructor(options: ApiCallsOptions) {
    this.#url = new URL(options.url.endsWith('/') ? options.url : `${options.url}/`);
    this.#options = options;
  }

  async call<T>(
    path: string,
    { method = 'GET', body, deadlineMs = DEADLINE_MS }: Call,
    signal: AbortSignal,
  ): Promise<T> {
    const { status, text } = await this.#reach(`no answer within ${deadlineMs} ms`, signal, () =>
      withDeadline(
        deadlineMs,
        async (deadline) => {
          const answer = await this.#send(path, { method, body, deadlineMs }, deadline);
          return { status: answer.statusCode, text: await answer.body.text() };
        },
        signal,
      ),
    );
    if (status < 200 || status > 299) throw this.#failure(status, parseJson(text));
    if (text === '') return undefined as T;
    const document = parseJson(text);
    if (document === undefined) throw this.#stranger(`${path} was answered with something else than JSON`);
    return document as T;
  }

  /** From now on; ends when the connection does. */
  async *events(path: string, signal: AbortSignal): AsyncGenerator<ServerEvent> {
    const answer = await this.#reach('no answer', signal, () => this.#send(path, { deadlineMs: DEADLINE_MS }, signal));
    if (answer.statusCode !== 200) {
      const text = await this.#reach('no answer', signal, () => answer.body.text());
      throw this.#failure(answer.statusCode, parseJson(text));
    }
    try {
      yield* readEvents(answer.body);
    } catch (error) {
      signal.throwIfAborted();
      throw this.#unreachable('the events have ended', error);
    }
  }

  #send(
    path: string,
    { method = 'GET', body, deadlineMs = DEADLINE_MS }: Call,
    signal: AbortSignal,
  ): Promise<Dispatcher.ResponseData> {
    const { token, dispatcher } = this.#options;
    return request(new URL(path, this.#url), {
      method,
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(dispatcher === undefined ? {} : { dispatcher }),
      headersTimeout: deadlineMs,
      bodyTimeout: SILENCE_MAX_MS,
      signal,
    });
  }

  async #reach<T>(onDeadline: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      throw this.#unreachable(isAbort(error) ? onDeadline : connectionTrouble(error), error);
    }
  }

  #unreachable(why: string, cause: unknown): ShoalError {
    return new ShoalError('unreachable', `nobody answers at ${this.#url.origin} (${why})`, {
      cause,
      remedy: 'Start "shoal daemon" or "shoal orchestrator" there, or name another with --api or SHOAL_API.',
    });
  }

  /** Not ours, or of another version. */
  #stranger(what: string): ShoalError {
    return new ShoalError('internal', `what listens at ${this.#url.origin} is no Shoal of this version: ${what}`, {
      remedy: 'Check the address.',
    });
  }

  #failure(status: number, document: unknown): ShoalError {
    const { detail, remedy, ...facts } = (document ?? {}) as Readonly<Record<string, unknown>>;
    const isRoute = facts['code'] === 'no-such-route' || facts['code'] === 'method-not-allowed';
    if (isRoute || (status === 404 && document === undefined))
      return this.#stranger(`it answered with status ${status}`);
    // What other orchestrators write where we have `detail`.
    const said = [detail, facts['message'], facts['error']].find((text) => typeof text === 'string' && text !== '');
    const message = typeof said === 'string' ? said : `${this.#url.origin} answered with status ${status}`;
    return new ShoalError(codes[status] ?? 'internal', message, {
      ...(typeof remedy === 'string' ? { remedy } : {}),
      fields: { ...facts, status },
    });
  }
}

const codes: Readonly<Record<number, ErrorCode>> = {
  400: 'invalid',
  401: 'unauthorized',
  403: 'unauthorized',
  404: 'not-found',
  409: 'conflict',
  413: 'invalid',
  429: 'source-busy',
  // A proxy's word for a server that is away.
  502: 'unreachable',
  503: 'source-busy',
  504: 'unreachable',
};

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined; // a proxy's page
  }
}
