import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { OrchestratorClient } from '../../src/orchestrator/client.ts';
import { endProcess, type OwnedProcess, SHOAL, spawnOwned } from './child-process.ts';
import { LogLines } from './log-lines.ts';
import { cleanEnvironment } from './run-shoal.ts';

export interface OrchestratorOptions {
  /** Its data lies under it. */
  readonly home: string;
  readonly token?: string;
  readonly args?: readonly string[];
}

/** A real `shoal orchestrator` on loopback. After a restart it has the same port. */
export class OrchestratorProcess implements AsyncDisposable {
  readonly #options: OrchestratorOptions;
  /** `http://127.0.0.1:port` */
  url = '';
  #owned: OwnedProcess | undefined;
  #log: LogLines | undefined;

  constructor(options: OrchestratorOptions) {
    this.#options = options;
  }

  get log(): LogLines {
    if (this.#log === undefined) throw new Error('the orchestrator was never started');
    return this.#log;
  }

  get pid(): number {
    return this.#running().pid;
  }

  client(token = this.#options.token): OrchestratorClient {
    return new OrchestratorClient({ url: this.url, ...(token === undefined ? {} : { token }) });
  }

  /** Starts it and waits until it listens. */
  async start(): Promise<this> {
    const { home, token, args = [] } = this.#options;
    await mkdir(home, { recursive: true });
    const address = this.url === '' ? '127.0.0.1:0' : new URL(this.url).host;
    this.#owned = spawnOwned(
      [SHOAL, 'orchestrator', '--api', address, '--data', join(home, 'orchestrator-data'), ...args],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
        env: cleanEnvironment({ env: token === undefined ? {} : { SHOAL_TOKEN: token } }),
      },
    );
    this.#log = new LogLines(this.#owned.child.stderr as Readable);
    const ready = await this.#log.waitFor('ready', 30_000);
    if (ready === undefined) throw new Error(`the orchestrator ended before it was ready:\n${this.#log.tail()}`);
    this.url = String(ready['api']);
    return this;
  }

  async kill(): Promise<void> {
    const owned = this.#running();
    owned.child.kill('SIGKILL');
    await owned.exited;
  }

  async stop(): Promise<number | null> {
    return (await endProcess(this.#running())).code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#owned !== undefined) await endProcess(this.#owned, 5_000).catch(() => undefined);
  }

  #running(): OwnedProcess {
    if (this.#owned?.isRunning() !== true) throw new Error('the orchestrator is not running');
    return this.#owned;
  }
}
