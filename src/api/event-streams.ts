import type { ServerResponse } from 'node:http';
import type { Counter } from 'prom-client';
import Type from 'typebox';
import type { Log } from '../util/log.ts';
import type { Metrics } from '../util/metrics.ts';
import { type App, problemResponse } from './app.ts';
import { securityHeaders } from './guard.ts';
import { RequestError } from './problem.ts';

export interface EventStreamsOptions {
  readonly maxSubscribers: number;
  /** What may wait for one subscriber; who is further behind is cut off and may come again. */
  readonly bufferBytes: number;
  readonly keepAliveMs: number;
}

export const usualEventStreams: EventStreamsOptions = {
  maxSubscribers: 64,
  bufferBytes: 2 ** 20,
  // Proxies drop connections that are silent for a minute.
  keepAliveMs: 15_000,
};

export interface StreamedEvent {
  readonly event: string;
  readonly data: unknown;
}

/** A daemon or an orchestrator. */
export interface EventSource {
  readonly metrics: Metrics;
  subscribe(listener: (event: StreamedEvent) => void): () => void;
}

/**
 * Server-sent events: each event is encoded once for all subscribers. There is no replay: a client that was away reads
 * the state again and goes on from there.
 */
export class EventStreams implements Disposable {
  readonly #options: EventStreamsOptions;
  readonly #service: EventSource;
  readonly #log: Log;
  readonly #dropped: Counter;
  readonly #subscribers = new Set<ServerResponse>();
  #unsubscribe: (() => void) | undefined;
  #keepAlive: NodeJS.Timeout | undefined;
  /** What was told in this turn of the event loop. */
  #told = '';
  #flushing: NodeJS.Immediate | undefined;

  constructor(options: EventStreamsOptions, parts: { service: EventSource; log: Log }) {
    this.#options = options;
    this.#service = parts.service;
    this.#log = parts.log;
    this.#dropped = parts.service.metrics.counter(
      'shoal_api_subscribers_dropped_total',
      'Readers of /v1/events that were cut off because they read too slowly',
    );
  }

  get subscribers(): number {
    return this.#subscribers.size;
  }

  /** @throws RequestError `too-many-subscribers`; call it before anything is written */
  admit(): void {
    if (this.#subscribers.size < this.#options.maxSubscribers) return;
    throw new RequestError(
      503,
      'too-many-subscribers',
      `${this.#options.maxSubscribers} others read events already`,
      'End one of them, or poll /v1/transfers.',
    );
  }

  add(response: ServerResponse, headers: Readonly<Record<string, string>>): void {
    response.writeHead(200, {
      ...headers,
      'content-type': 'text/event-stream; charset=utf-8',
      'x-accel-buffering': 'no',
    });
    response.write('retry: 1000\n\n');
    response.once('close', () => this.#remove(response));
    // A reset connection is an ordinary end.
    response.once('error', () => this.#remove(response));
    this.#subscribers.add(response);
    this.#unsubscribe ??= this.#service.subscribe((event) => this.#send(encodeEvent(event)));
    this.#keepAlive ??= setInterval(() => this.#send(': still here\n\n'), this.#options.keepAliveMs).unref();
  }

  /** Ends every stream cleanly: a reader sees the end, not a broken connection. */
  [Symbol.dispose](): void {
    this.#flush();
    for (const response of [...this.#subscribers]) {
      this.#remove(response);
      response.end(': the daemon is ending\n\n');
    }
  }

  /** A directory that comes or goes is ten thousand events at once: they are one piece to write. */
  #send(text: string): void {
    this.#told += text;
    this.#flushing ??= setImmediate(() => this.#flush());
  }

  #flush(): void {
    clearImmediate(this.#flushing);
    this.#flushing = undefined;
    const text = this.#told;
    this.#told = '';
    if (text === '') return;
    for (const response of this.#subscribers) {
      // What is new says nothing of a reader, only what has been waiting for it.
      if (response.writableLength > this.#options.bufferBytes) {
        this.#remove(response);
        this.#dropped.inc();
        this.#log.info({ waitingBytes: response.writableLength }, 'reader of events cut off: it reads too slowly');
        response.destroy();
      } else {
        response.write(text);
      }
    }
  }

  #remove(response: ServerResponse): void {
    if (!this.#subscribers.delete(response) || this.#subscribers.size > 0) return;
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
    clearInterval(this.#keepAlive);
    this.#keepAlive = undefined;
  }
}

/** The same at a daemon and at an orchestrator, but for what there is to tell. */
export function eventRoute(
  app: App,
  { events, summary, tags }: { readonly events: EventStreams; readonly summary: string; readonly tags: string[] },
): void {
  app.get(
    '/v1/events',
    {
      exposeHeadRoute: false,
      config: { unhurried: true },
      schema: {
        summary,
        tags,
        response: {
          200: { description: 'Events', content: { 'text/event-stream': { schema: Type.String() } } },
          default: problemResponse,
        },
      },
    },
    (request, reply) => {
      events.admit();
      reply.hijack();
      events.add(reply.raw, { ...securityHeaders, 'x-correlation-id': request.id });
    },
  );
}

function encodeEvent({ event, data }: StreamedEvent): string {
  // JSON has no line breaks, which would end the field.
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
