import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { request } from 'undici';
import type { ModelState, ModelView, NodeView, PeerView, TransferView } from '../../src/flows/views.ts';
import { type Exit, endProcess, type OwnedProcess, SHOAL, spawnOwned } from './child-process.ts';
import { freePort } from './free-port.ts';
import { type LogLine, LogLines } from './log-lines.ts';
import { parseMetrics, type Sample, sumOf } from './metrics-text.ts';
import { cleanEnvironment } from './run-shoal.ts';
import { eventually } from './wait.ts';

export interface DaemonOptions {
  readonly name: string;
  /** Everything of this daemon lies under it: `models/`, `data/`. */
  readonly home: string;
  readonly models?: string;
  readonly fleetKeyFile: string;
  readonly bootstrap?: readonly string[];
  readonly origins?: readonly string[];
  readonly orchestrators?: readonly string[];
  readonly token?: string;
  /** More arguments for `shoal daemon`, e.g. `['--down-limit', '40MiB']`. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** What stands before the command, e.g. `['ip', 'netns', 'exec', 'shoal1']`. */
  readonly wrapper?: readonly string[];
  readonly host?: string;
  /** How long the line "ready" may take. */
  readonly readyTimeoutMs?: number;
}

export interface ApiAnswer<T = unknown> {
  readonly status: number;
  readonly body: T;
}

/** A real `shoal daemon` on loopback. After a restart it has the same ports, as a daemon in service would. */
export class DaemonProcess implements AsyncDisposable {
  readonly options: DaemonOptions;
  readonly modelsDir: string;
  readonly dataDir: string;
  /** `http://127.0.0.1:port` */
  api = '';
  peerId = '';
  /** Multiaddrs with `/p2p/…`: what another node takes as `--bootstrap`. */
  listen: readonly string[] = [];
  lane = '';
  #owned: OwnedProcess | undefined;
  #log: LogLines | undefined;
  #ports: { readonly api: number; readonly listen: number; readonly lane: number } | undefined;
  /** Logs of the runs before this one. */
  readonly earlierLogs: LogLines[] = [];

  private constructor(options: DaemonOptions) {
    this.options = options;
    this.modelsDir = options.models ?? join(options.home, 'models');
    this.dataDir = join(options.home, 'data');
  }

  /** Not started yet: whoever closes it also ends what `start()` has only begun. */
  static create(options: DaemonOptions): DaemonProcess {
    return new DaemonProcess(options);
  }

  get name(): string {
    return this.options.name;
  }

  get pid(): number {
    return this.#running().pid;
  }

  get log(): LogLines {
    if (this.#log === undefined) throw new Error(`${this.name} was never started`);
    return this.#log;
  }

  get isRunning(): boolean {
    return this.#owned?.isRunning() ?? false;
  }

  get exited(): Promise<Exit> {
    if (this.#owned === undefined) throw new Error(`${this.name} was never started`);
    return this.#owned.exited;
  }

  /** Starts it and waits until it is ready. */
  async start(overrides: Partial<Pick<DaemonOptions, 'args' | 'env' | 'bootstrap'>> = {}): Promise<void> {
    const options = { ...this.options, ...overrides };
    this.#ports ??= { api: await freePort(), listen: await freePort(), lane: await freePort() };
    await mkdir(this.modelsDir, { recursive: true });
    if (this.#log !== undefined) this.earlierLogs.push(this.#log);
    this.#owned = spawnOwned([...(options.wrapper ?? []), SHOAL, 'daemon', ...this.#arguments(options)], {
      stdio: ['ignore', 'ignore', 'pipe'],
      cwd: options.home,
      env: cleanEnvironment({
        env: { ...(options.token === undefined ? {} : { SHOAL_TOKEN: options.token }), ...options.env },
      }),
    });
    this.#log = new LogLines(this.#owned.child.stderr as Readable);
    const ready = await this.#log.waitFor('ready', options.readyTimeoutMs ?? 30_000);
    if (ready === undefined) throw new Error(`${this.name} ended before it was ready:\n${this.#log.tail()}`);
    this.api = apiUrl(ready);
    const node = await this.json<NodeView>('/v1/node');
    this.peerId = node.peerId;
    this.listen = node.listen;
    this.lane = node.lane ?? '';
  }

  #arguments(options: DaemonOptions): string[] {
    const { host = '127.0.0.1' } = options;
    const repeat = (flag: string, values: readonly string[] = []): string[] => values.flatMap((value) => [flag, value]);
    const { api = 0, listen = 0, lane = 0 } = this.#ports ?? {};
    return [
      ...['--name', options.name, '--models', this.modelsDir, '--data', this.dataDir, '--no-mdns'],
      ...['--api', `${host}:${api}`, '--listen', `${host}:${listen}`, '--lane', `${host}:${lane}`],
      ...['--fleet-key', options.fleetKeyFile],
      ...repeat('--bootstrap', options.bootstrap),
      ...repeat('--origin', options.origins),
      ...repeat('--orchestrator', options.orchestrators),
      ...(options.args ?? []),
    ];
  }

  #running(): OwnedProcess {
    if (this.#owned?.isRunning() !== true) throw new Error(`${this.name} is not running`);
    return this.#owned;
  }

  /** SIGKILL: no chance to save anything. */
  async kill(): Promise<void> {
    const owned = this.#running();
    owned.child.kill('SIGKILL');
    await owned.exited;
  }

  /** SIGTERM; says how it ended. Insists after `graceMs`. */
  async stop(graceMs = 10_000): Promise<Exit> {
    return await endProcess(this.#running(), graceMs);
  }

  async restart(overrides: Partial<Pick<DaemonOptions, 'args' | 'env' | 'bootstrap'>> = {}): Promise<void> {
    if (this.isRunning) await this.stop();
    await this.start(overrides);
  }

  /** SIGSTOP: the machine hangs, its connections stay open. */
  pause(): void {
    this.#running().child.kill('SIGSTOP');
  }

  resume(): void {
    this.#running().child.kill('SIGCONT');
  }

  async request<T = unknown>(
    method: 'GET' | 'PUT' | 'POST' | 'DELETE',
    path: string,
    body?: unknown,
  ): Promise<ApiAnswer<T>> {
    const answer = await request(`${this.api}${path}`, {
      method,
      headers: {
        ...(this.options.token === undefined ? {} : { authorization: `Bearer ${this.options.token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      headersTimeout: 60_000,
    });
    const text = await answer.body.text();
    const isJson = /json/.test(String(answer.headers['content-type']));
    return { status: answer.statusCode, body: (isJson && text !== '' ? JSON.parse(text) : text) as T };
  }

  /** The body of a GET (or another method) that must succeed. */
  async json<T = unknown>(path: string, method: 'GET' | 'PUT' | 'POST' | 'DELETE' = 'GET', body?: unknown): Promise<T> {
    const answer = await this.request<T>(method, path, body);
    if (answer.status >= 300)
      throw new Error(`${this.name}: ${method} ${path} → ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  async want(model: string, options: { priority?: 'normal' | 'high' } = {}): Promise<ModelView> {
    return await this.json<ModelView>(`/v1/models/${encodePath(model)}/want`, 'PUT', options);
  }

  async model(idOrAlias: string): Promise<ModelView> {
    return await this.json<ModelView>(`/v1/models/${encodePath(idOrAlias)}`);
  }

  async models(scope: 'local' | 'fleet' = 'local'): Promise<ModelView[]> {
    return (await this.json<{ models: ModelView[] }>(`/v1/models?scope=${scope}`)).models;
  }

  async transfers(): Promise<TransferView[]> {
    return (await this.json<{ transfers: TransferView[] }>('/v1/transfers')).transfers;
  }

  async peers(): Promise<PeerView[]> {
    return (await this.json<{ peers: PeerView[] }>('/v1/peers')).peers;
  }

  async metrics(): Promise<Sample[]> {
    return parseMetrics((await this.request<string>('GET', '/metrics')).body);
  }

  async metric(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
    return sumOf(await this.metrics(), name, labels);
  }

  /** Waits until the model is in that state here. */
  async waitForModel(idOrAlias: string, state: ModelState = 'installed', timeoutMs = 30_000): Promise<ModelView> {
    return await eventually(
      `${this.name}: ${idOrAlias} is ${state}`,
      async () => {
        const model = await this.model(idOrAlias);
        if (model.state !== state) throw new Error(`it is ${model.state} ${JSON.stringify(model.problem ?? '')}`);
        return model;
      },
      { timeoutMs },
    );
  }

  /** Resident memory now and at its highest. */
  async memory(): Promise<{ rssBytes: number; peakRssBytes: number }> {
    const status = await readFile(`/proc/${this.pid}/status`, 'utf8');
    const kib = (field: string): number =>
      Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? Number.NaN);
    return { rssBytes: kib('VmRSS') * 1024, peakRssBytes: kib('VmHWM') * 1024 };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#owned !== undefined) await endProcess(this.#owned, 5_000).catch(() => undefined);
  }
}

/** Slashes stay as they are: an id may contain them. */
export function encodePath(id: string): string {
  return id.split('/').map(encodeURIComponent).join('/');
}

function apiUrl(ready: LogLine): string {
  const api = ready['api'];
  if (typeof api !== 'string')
    throw new Error(`the line "ready" does not say where the API listens: ${JSON.stringify(ready)}`);
  return api.startsWith('http') ? api.replace(/\/$/, '') : `http://${api}`;
}
