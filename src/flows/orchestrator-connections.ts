import type { LookupFunction } from 'node:net';
import { Agent, type Dispatcher } from 'undici';
import type { Clock } from '../util/clock.ts';

export interface OrchestratorConnectionsParts {
  readonly clock: Clock;
  /** How names are resolved, if not as everywhere. */
  readonly lookup?: LookupFunction;
}

/** Longer than a heartbeat period, so that a burst of changes is one connection, and a change of address soon noticed. */
const RENEW_MS = 15_000;
const IDLE_MS = 4_000;

/**
 * Connections to one orchestrator. None is kept for long, however often it is used and whatever the other side allows:
 * its name may come to stand for another machine while the old one still answers.
 */
export class OrchestratorConnections implements AsyncDisposable {
  readonly #parts: OrchestratorConnectionsParts;
  #agent: Agent | undefined;
  #madeMs = 0;

  constructor(parts: OrchestratorConnectionsParts) {
    this.#parts = parts;
  }

  get dispatcher(): Dispatcher {
    const nowMs = this.#parts.clock.monotonic();
    if (this.#agent !== undefined && nowMs - this.#madeMs <= RENEW_MS) return this.#agent;
    // What is under way on it ends as it would.
    this.#agent?.close().catch(() => undefined);
    const { lookup } = this.#parts;
    this.#agent = new Agent({
      keepAliveTimeout: IDLE_MS,
      keepAliveMaxTimeout: IDLE_MS,
      ...(lookup === undefined ? {} : { connect: { lookup } }),
    });
    this.#madeMs = nowMs;
    return this.#agent;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent?.destroy();
    this.#agent = undefined;
  }
}
