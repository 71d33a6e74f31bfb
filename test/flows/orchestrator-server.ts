import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { HeartbeatDocument } from '../../src/flows/heartbeat-documents.ts';

export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  readonly body: unknown;
  readonly at: number;
}

export interface Reply {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
  readonly delayMs?: number;
}

export const OK: Reply = { status: 200, body: { success: true, next_heartbeat_ms: 10_000 } };

/** A real HTTP server whose answers a test chooses; it records what it was sent. */
export class OrchestratorServer implements AsyncDisposable {
  readonly seen: Seen[] = [];
  reply: (seen: Seen, all: readonly Seen[]) => Reply;
  /** Packets go nowhere: what is sent is not read, connections are accepted and silent. */
  partitioned = false;
  /** Also those that a partition swallows. */
  requests = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(reply: (seen: Seen, all: readonly Seen[]) => Reply) {
    this.reply = reply;
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch(() => response.destroy());
    });
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  static async start(
    reply: (seen: Seen, all: readonly Seen[]) => Reply = () => OK,
    port = 0,
    host = '127.0.0.1',
  ): Promise<OrchestratorServer> {
    const made = new OrchestratorServer(reply);
    made.#server.listen(port, host);
    await once(made.#server, 'listening');
    return made;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/prefix`;
  }

  get beats(): Seen[] {
    return this.seen.filter((one) => one.path.endsWith('/heartbeat'));
  }

  /** What each request was, like `register` or `heartbeat`. */
  get steps(): string[] {
    return this.seen.map((one) => (one.method === 'DELETE' ? 'delete' : (one.path.split('/').at(-1) ?? '')));
  }

  async until(found: (server: this) => boolean, ms = 5000): Promise<void> {
    const end = performance.now() + ms;
    while (!found(this)) {
      assert.ok(performance.now() < end, `not seen within ${ms} ms: ${JSON.stringify(this.seen).slice(0, 2_000)}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.requests += 1;
    if (this.partitioned) return;
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const one: Seen = {
      method: request.method ?? '',
      path: request.url ?? '',
      authorization: request.headers.authorization,
      body: text === '' ? undefined : JSON.parse(text),
      at: performance.now(),
    };
    this.seen.push(one);
    const chosen = this.reply(one, this.seen);
    if (chosen.delayMs !== undefined) await new Promise((resolve) => setTimeout(resolve, chosen.delayMs));
    response.writeHead(chosen.status, { 'content-type': 'application/json', ...chosen.headers });
    response.end(chosen.body === undefined ? '' : JSON.stringify(chosen.body));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

export function availableIn(seen: Seen | undefined): readonly string[] | undefined {
  return (seen?.body as HeartbeatDocument | undefined)?.models_available;
}
