import { EventEmitter } from 'node:events';
import type { Clock } from '../util/clock.ts';
import { ShoalError } from '../util/errors.ts';
import type { Log } from '../util/log.ts';
import { jittered, type Random } from '../util/random.ts';
import type { PoolReport } from './heartbeat-documents.ts';
import { type Answer, parseObject, sendJson, troubleOf } from './orchestrator-requests.ts';

export interface PoolManagerOptions {
  /** Ends with a slash. */
  readonly url: string;
  /** Relative to the URL: what lists all pools. Without it each of `poolIds` is asked for by `pools/{id}/status`. */
  readonly statusPath?: string;
  readonly poolIds: readonly string[];
}

/** What the manager tells of a pool; the rest is as it is configured. */
export type SeenPool = Pick<PoolReport, 'id' | 'ready'> & Partial<PoolReport>;

export interface PoolManagerParts {
  /** Read for each request. */
  readonly token: () => Promise<string | undefined>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

const PERIOD_MS = 2_000;
const LAST_RETRY_MS = 30_000;
const DEADLINE_MS = 2_000;
/** A preload starts an engine. */
const PRELOAD_DEADLINE_MS = 30_000;
const MAX_POOLS = 256;
const MAX_COUNT = 4_294_967_295;

/** A pool manager beside this node: what its pools do, polled, and the orders that are passed on to it. */
export class PoolManager extends EventEmitter<{ change: [] }> {
  readonly #options: PoolManagerOptions;
  readonly #parts: PoolManagerParts;
  #pools: readonly SeenPool[] = [];
  #said = '[]';
  #problem: string | undefined;
  #failures = 0;

  constructor(options: PoolManagerOptions, parts: PoolManagerParts) {
    super();
    this.#options = options;
    this.#parts = parts;
  }

  /** As they were seen last; none is ready while the manager does not answer. */
  pools(): readonly SeenPool[] {
    if (this.#problem === undefined) return this.#pools;
    return this.#pools.map((pool) => ({ ...pool, ready: false }));
  }

  get problem(): string | undefined {
    return this.#problem;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#parts;
    while (!signal.aborted) {
      await this.#poll(signal);
      const backOffMs = Math.min(LAST_RETRY_MS, PERIOD_MS * 2 ** Math.min(this.#failures, 10));
      await clock.sleep(this.#failures === 0 ? PERIOD_MS : jittered(backOffMs, 0.3, random), signal);
    }
  }

  /** Passes an order on as it is. @throws ShoalError `unreachable` when the manager does not answer */
  async preload(poolId: string, body: unknown, signal: AbortSignal): Promise<Answer> {
    try {
      return await this.#send('POST', `pools/${encodeURIComponent(poolId)}/preload`, signal, { body });
    } catch (error) {
      if (signal.aborted) throw error;
      throw new ShoalError('unreachable', `the pool manager does not answer: ${troubleOf(error)}`, {
        cause: error,
        remedy: 'Check that it runs and the pool-manager setting.',
      });
    }
  }

  async #poll(signal: AbortSignal): Promise<void> {
    const { log } = this.#parts;
    try {
      this.#pools = await this.#read(signal);
      if (this.#problem !== undefined) log.info({ poolManager: this.#options.url }, 'pool manager answers again');
      this.#problem = undefined;
      this.#failures = 0;
    } catch (error) {
      if (signal.aborted) throw error;
      this.#failures += 1;
      if (this.#problem === undefined) {
        const remedy =
          'Check that it runs and the pool-manager setting; until then its pools are reported as not ready.';
        log.warn({ poolManager: this.#options.url, problem: troubleOf(error), remedy }, 'pool manager does not answer');
      }
      this.#problem = troubleOf(error);
    }
    const now = JSON.stringify(this.pools());
    if (now === this.#said) return;
    this.#said = now;
    this.emit('change');
  }

  async #read(signal: AbortSignal): Promise<SeenPool[]> {
    const { statusPath, poolIds } = this.#options;
    if (statusPath === undefined && poolIds.length > 0) {
      return Promise.all(
        poolIds.map(async (id) => {
          const answer = await this.#send('GET', `pools/${encodeURIComponent(id)}/status`, signal);
          // A pool that the manager has not started yet is there, and not ready.
          if (answer.status === 404) return parsePool({ ready: false }, id);
          return parsePool(documentOf(answer), id);
        }),
      );
    }
    const answer = await this.#send('GET', statusPath ?? 'pools', signal);
    const document = documentOf(answer);
    const pools = Array.isArray(document) ? (document as unknown[]) : document['pools'];
    if (Array.isArray(pools)) return pools.slice(0, MAX_POOLS).map((pool) => parsePool(pool));
    return [parsePool(document)];
  }

  async #send(
    method: 'GET' | 'POST',
    path: string,
    signal: AbortSignal,
    { body }: { body?: unknown } = {},
  ): Promise<Answer> {
    const token = await this.#parts.token();
    const deadlineMs = method === 'GET' ? DEADLINE_MS : PRELOAD_DEADLINE_MS;
    return sendJson(
      new URL(path, this.#options.url),
      { method, token, ...(body === undefined ? {} : { body }) },
      signal,
      deadlineMs,
    );
  }
}

function documentOf({ status, body }: Answer): Readonly<Record<string, unknown>> {
  if (status !== 200) throw new ShoalError('unreachable', `it answers with ${status}`);
  const document = parseObject(body.trimStart().startsWith('[') ? `{"pools":${body}}` : body);
  if (document === undefined) throw new ShoalError('invalid', 'it answers with something else than JSON');
  return document;
}

/** Liberal: names of fields differ between managers; one that does not say that it is ready is not. */
function parsePool(value: unknown, fallbackId?: string): SeenPool {
  const fields = (typeof value === 'object' && value !== null ? value : {}) as Readonly<Record<string, unknown>>;
  const id = fields['pool_id'] ?? fields['id'] ?? fallbackId;
  if (typeof id !== 'string' || id === '' || id.length > 256) {
    throw new ShoalError('invalid', 'it tells of a pool without an id');
  }
  const engine = fields['engine'];
  const slotsTotal = count(fields['slots_total'] ?? fields['slots']);
  const leased = count(fields['active_leases']);
  const slotsFree =
    count(fields['slots_free']) ??
    (slotsTotal === undefined || leased === undefined ? undefined : Math.max(0, slotsTotal - leased));
  const vramFreeBytes = count(fields['vram_free_bytes'], Number.MAX_SAFE_INTEGER);
  return {
    id,
    ready: fields['ready'] === true && fields['live'] !== false,
    ...(typeof engine === 'string' && engine !== '' ? { engine } : {}),
    ...(fields['draining'] === true ? { draining: true } : {}),
    ...(slotsTotal === undefined ? {} : { slotsTotal }),
    ...(slotsFree === undefined ? {} : { slotsFree }),
    ...(vramFreeBytes === undefined ? {} : { vramFreeBytes }),
  };
}

/** Undefined for what is no count. */
function count(value: unknown, max = MAX_COUNT): number | undefined {
  if (typeof value !== 'number' || !Number.isFinite(value)) return undefined;
  return Math.max(0, Math.min(max, Math.floor(value)));
}
