import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { delay } from './wait.ts';

/**
 * Stands before an orchestrator and hands heartbeats on late, each node's in the order in which they came. One that its
 * sender has given up arrives all the same, as on a real network.
 */
export class LateProxy implements AsyncDisposable {
  /** For those that come from now on. */
  lateMs = 0;
  readonly #target: string;
  readonly #server: Server;
  /** By path: when the heartbeat before has been handed on. */
  readonly #turns = new Map<string, Promise<unknown>>();

  private constructor(target: string) {
    this.#target = target;
    this.#server = createServer((request, response) => {
      this.#handOn(request, response).catch(() => response.destroy());
    });
  }

  static async start(target: string): Promise<LateProxy> {
    const proxy = new LateProxy(target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async #handOn(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '' } = request;
    const body = await text(request);
    const answer = url.endsWith('/heartbeat')
      ? await this.#inTurn(url, () => this.#send(method, url, body))
      : await this.#send(method, url, body);
    response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? 'text/plain' });
    response.end(await answer.text());
  }

  #inTurn<T>(path: string, send: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(path);
    const rest = delay(this.lateMs);
    const sent = Promise.allSettled([before, rest]).then(send);
    this.#turns.set(path, sent);
    return sent;
  }

  #send(method: string, path: string, body: string): Promise<Response> {
    const hasBody = body !== '';
    return fetch(new URL(path, this.#target), {
      method,
      ...(hasBody ? { headers: { 'content-type': 'application/json' }, body } : {}),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
