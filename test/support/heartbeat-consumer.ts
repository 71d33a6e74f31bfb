import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import type { HeartbeatDocument, IncomingModel, RegistrationDocument } from '../../src/flows/heartbeat-documents.ts';
import { delay, eventually } from './wait.ts';

export interface SeenHeartbeat {
  readonly node: string;
  /** Wall clock, to compare with what other processes saw. */
  readonly atMs: number;
  readonly models: readonly string[];
  readonly incoming: readonly IncomingModel[];
  readonly document: HeartbeatDocument;
}

/**
 * An orchestrator as seen from a node: `POST /v2/nodes/register`, `POST /v2/nodes/{id}/heartbeat`, `DELETE /v2/nodes/{id}`.
 * It believes nothing: what a real one would refuse or misread is kept in `violations`.
 */
export class HeartbeatConsumer implements AsyncDisposable {
  readonly heartbeats: SeenHeartbeat[] = [];
  readonly registrations: { readonly atMs: number; readonly document: RegistrationDocument }[] = [];
  readonly deregistered: string[] = [];
  /** Broken promises of the protocol, as sentences. */
  readonly violations: string[] = [];
  /** Set to make every request fail with this status, as an orchestrator in trouble would. */
  failWith: number | undefined;
  /** Heartbeats take effect at once and are answered only then. */
  answerAfterMs = 0;
  /** Called for each heartbeat, e.g. to compare its claims with the disk at that moment. */
  onHeartbeat: ((heartbeat: SeenHeartbeat) => void) | undefined;
  readonly #server: Server;
  readonly #token: string | undefined;
  readonly #registered = new Set<string>();

  private constructor(server: Server, token: string | undefined) {
    this.#server = server;
    this.#token = token;
  }

  static async start(options: { token?: string; port?: number } = {}): Promise<HeartbeatConsumer> {
    const server = createServer();
    const consumer = new HeartbeatConsumer(server, options.token);
    server.on('request', (request, response) => {
      consumer.#answer(request, response).catch((error: unknown) => {
        consumer.violations.push(`request failed: ${String(error)}`);
        response.destroy();
      });
    });
    await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve));
    return consumer;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Loses the node, as an orchestrator that was restarted does: its next heartbeat is answered 404. */
  forget(node: string): void {
    this.#registered.delete(node);
  }

  of(node: string): SeenHeartbeat[] {
    return this.heartbeats.filter((heartbeat) => heartbeat.node === node);
  }

  /** What the newest heartbeat of the node says is available. */
  available(node: string): readonly string[] {
    return this.of(node).at(-1)?.models ?? [];
  }

  /** When the node first said (since `sinceMs`) that the model is there. */
  firstSeen(node: string, model: string, sinceMs = 0): number | undefined {
    return this.of(node).find((heartbeat) => heartbeat.atMs >= sinceMs && heartbeat.models.includes(model))?.atMs;
  }

  async waitFor(node: string, model: string, options: { timeoutMs?: number; gone?: boolean } = {}): Promise<number> {
    const { timeoutMs = 15_000, gone = false } = options;
    return await eventually(
      `${node} reports ${model} as ${gone ? 'gone' : 'available'}`,
      () => {
        const newest = this.of(node).at(-1);
        return newest !== undefined && newest.models.includes(model) !== gone ? newest.atMs : undefined;
      },
      { timeoutMs, everyMs: 10 },
    );
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const atMs = Date.now();
    const document = request.method === 'POST' ? await json(request) : undefined;
    const reply = (status: number, body?: unknown): ServerResponse =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    const refused = (status: number, message: string, node = ''): ServerResponse =>
      reply(status, { success: false, message, node_id: node });
    if (this.failWith !== undefined) return void refused(this.failWith, 'in trouble');
    if (this.#token !== undefined && request.headers.authorization !== `Bearer ${this.#token}`)
      return void refused(401, 'unauthorized');
    const [, node = '', action = ''] = /^\/v2\/nodes\/([^/]+)(\/heartbeat)?$/.exec(request.url ?? '') ?? [];
    if (request.method === 'POST' && node === 'register') {
      const registration = document as RegistrationDocument;
      this.violations.push(...registrationFaults(registration));
      this.registrations.push({ atMs, document: registration });
      this.#registered.add(registration.node_id);
      return void reply(200, { success: true, message: 'registered', node_id: registration.node_id });
    }
    if (request.method === 'POST' && action !== '') {
      await this.#heartbeat(decodeURIComponent(node), document as HeartbeatDocument, atMs, reply);
      return;
    }
    if (request.method === 'DELETE' && node !== '') {
      this.deregistered.push(decodeURIComponent(node));
      return void reply(this.#registered.delete(decodeURIComponent(node)) ? 204 : 404);
    }
    this.violations.push(`${request.method ?? ''} ${request.url ?? ''} is no route of an orchestrator`);
    reply(404, { error: 'not found' });
  }

  async #heartbeat(
    node: string,
    document: HeartbeatDocument,
    atMs: number,
    reply: (status: number, body: unknown) => ServerResponse,
  ): Promise<ServerResponse> {
    if (!this.#registered.has(node)) return reply(404, { success: false, message: 'not registered', node_id: node });
    this.violations.push(...heartbeatFaults(node, document));
    const heartbeat = { node, atMs, models: document.models_available, incoming: document.models_incoming, document };
    this.heartbeats.push(heartbeat);
    this.onHeartbeat?.(heartbeat);
    if (this.answerAfterMs > 0) await delay(this.answerAfterMs);
    return reply(200, { success: true, next_heartbeat_ms: 10_000 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

function registrationFaults(document: RegistrationDocument): string[] {
  const faults: string[] = [];
  if (typeof document.node_id !== 'string' || document.node_id === '') faults.push('registration without node_id');
  if (typeof document.machine_id !== 'string' || document.machine_id === '')
    faults.push('registration without machine_id');
  if (!/^http:\/\/[^/]+:\d+$/.test(document.address))
    faults.push(`address ${document.address} is not http://host:port`);
  if (!Array.isArray(document.pools)) faults.push('registration without pools');
  if (!Array.isArray(document.capabilities.gpus)) faults.push('registration without capabilities.gpus');
  return faults;
}

function heartbeatFaults(node: string, document: HeartbeatDocument): string[] {
  const faults: string[] = [];
  const complain = (what: string): number => faults.push(`heartbeat of ${node}: ${what}`);
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(document.timestamp))
    complain('timestamp is not RFC 3339');
  const total = JSON.stringify(document.models_available);
  for (const pool of document.pools) {
    for (const count of [pool.slots_free, pool.slots_total, pool.vram_free_bytes]) {
      if (!Number.isSafeInteger(count) || count < 0)
        complain(`pool ${pool.pool_id} has a count that is none: ${count}`);
    }
    if (JSON.stringify(pool.models_available) !== total)
      complain(`pool ${pool.pool_id} has other models than the node`);
  }
  for (const incoming of document.models_incoming) {
    if (document.models_available.includes(incoming.id)) complain(`${incoming.id} is incoming and available at once`);
  }
  return faults;
}
