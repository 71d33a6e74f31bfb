import type { Table } from '../store/database.ts';
import type { Store } from '../store/store.ts';
import type { Clock } from '../util/clock.ts';
import { messageOf, ShoalError } from '../util/errors.ts';
import type { Log } from '../util/log.ts';
import { Wake } from '../util/wake.ts';
import { type Answer, parseObject } from './orchestrator-requests.ts';
import type { NodePools } from './pools.ts';
import type { Registrations } from './registrations.ts';
import type { ModelView } from './views.ts';

export interface PreloadsParts {
  readonly store: Store;
  readonly pools: NodePools;
  readonly registrations: Registrations;
  /** @throws ShoalError `not-found` */
  readonly want: (name: string) => Promise<ModelView>;
  readonly clock: Clock;
  readonly log: Log;
}

/** What the caller is answered. */
export interface PreloadAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** The model is on its way; when it is here the order is passed on. */
interface Pending {
  readonly pool: string;
  readonly model: string;
  readonly order: unknown;
  /** What is wanted for it; absent for what is registered, and in what earlier versions have written. */
  readonly id?: string;
}

const RETRY_MS = 5_000;
const MAX_PENDING = 1_000;

/** `POST /pools/{id}/preload`: the model is fetched ahead of others and kept; then the pool manager gets the order. */
export class Preloads {
  readonly #parts: PreloadsParts;
  readonly #table: Table<Pending>;
  readonly #pending: Map<string, Pending>;
  readonly #wake = new Wake();
  readonly #told = new Map<string, string>();

  private constructor(parts: PreloadsParts, table: Table<Pending>, pending: Map<string, Pending>) {
    this.#parts = parts;
    this.#table = table;
    this.#pending = pending;
  }

  /** Orders that wait for their model survive a restart. */
  static async open(parts: PreloadsParts): Promise<Preloads> {
    const table = parts.store.database.json<Pending>('preloads');
    return new Preloads(parts, table, new Map(await table.iterator().all()));
  }

  /**
   * Takes `{model_id, engine}`, and a pool manager's own `{prepared}`, which is passed on as it is.
   * @throws ShoalError `not-found` for an unknown pool or model, `invalid`, `conflict`, `unreachable`
   */
  async preload(pool: string, order: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<PreloadAnswer> {
    const { pools } = this.#parts;
    const { manager } = pools;
    if (!pools.has(pool)) {
      const names = pools
        .list()
        .slice(0, 20)
        .map(({ id }) => id);
      throw new ShoalError('not-found', `this node has no pool ${pool}`, { remedy: `It has ${names.join(', ')}.` });
    }
    if (order['prepared'] !== undefined) {
      if (manager !== undefined) return relayed(await manager.preload(pool, order, signal));
      throw new ShoalError('conflict', 'this node has no pool manager that could take what is prepared', {
        remedy: 'Set pool-manager, or send {model_id, engine}.',
      });
    }
    const model = order['model_id'];
    if (typeof model !== 'string' || model === '') throw new ShoalError('invalid', 'model_id required');
    const claimed = await this.#claim(model);
    if (!claimed.isHere) {
      const { id } = claimed;
      await this.#remember({ pool, model, order, ...(id === undefined ? {} : { id }) });
      return { status: 202, body: { pool_id: pool, model_id: model, status: 'fetching', forwarded: false } };
    }
    if (manager !== undefined) return relayed(await manager.preload(pool, order, signal));
    return { status: 200, body: { pool_id: pool, model_id: model, status: 'available', forwarded: false } };
  }

  async run(signal: AbortSignal): Promise<void> {
    const { store } = this.#parts;
    const onChange = (): void => this.#wake.notify();
    store.catalog.on('change', onChange);
    store.wants.on('change', onChange);
    try {
      while (!signal.aborted) {
        for (const [key, pending] of this.#pending) {
          if (await this.#isDone(pending, signal)) await this.#forget(key);
        }
        await this.#wake.wait(RETRY_MS, signal);
      }
    } finally {
      store.catalog.off('change', onChange);
      store.wants.off('change', onChange);
    }
  }

  /** Wanted ahead of others, and pinned once it is here. */
  async #claim(name: string): Promise<{ readonly isHere: boolean; readonly id?: string }> {
    const { store, registrations, want, clock } = this.#parts;
    const here = store.catalog.findModel(name);
    if (here !== undefined) {
      await store.wants.pin(here.id, clock.now());
      return { isHere: true };
    }
    // What is registered is fetched by its digest already, from wherever it is.
    if (registrations.get(name) !== undefined) {
      await registrations.hurry(name);
      return { isHere: false };
    }
    const { id, aliases, digest } = await want(name);
    await store.wants.pin(id, clock.now());
    // A name that only other nodes have given it: here it is to be called so as well.
    if (name !== id && aliases.includes(name) && digest !== undefined) {
      await registrations.put({ id: name, digest, since: clock.now(), isUrgent: true });
    }
    return { isHere: false, id };
  }

  async #isDone({ pool, model, order, id }: Pending, signal: AbortSignal): Promise<boolean> {
    const { store, registrations, pools, clock, log } = this.#parts;
    const here = store.catalog.findModel(model);
    if (here === undefined) {
      if (id === undefined || store.wants.get(id) !== undefined || registrations.get(model) !== undefined) return false;
      // Or it would be pinned, and its engine started, whenever somebody wants it again.
      log.info({ pool, model }, 'preload given up: nobody wants the model any more');
      return true;
    }
    await store.wants.pin(here.id, clock.now());
    if (pools.manager === undefined) return true;
    try {
      const answer = await pools.manager.preload(pool, order, signal);
      if (answer.status < 300) {
        log.info({ pool, model }, 'preload passed on to the pool manager');
        return true;
      }
      const isFinal = answer.status < 500 && answer.status !== 429;
      this.#tell({ pool, model }, `it answers with ${answer.status}: ${answer.body.slice(0, 200)}`, isFinal);
      return isFinal;
    } catch (error) {
      if (signal.aborted) throw error;
      this.#tell({ pool, model }, messageOf(error), false);
      return false;
    }
  }

  #tell(what: { pool: string; model: string }, problem: string, isFinal: boolean): void {
    const key = `${what.pool}\0${what.model}`;
    if (this.#told.get(key) === problem) return;
    this.#told.set(key, problem);
    const message = isFinal ? 'pool manager refuses a preload' : 'preload not passed on, trying on';
    this.#parts.log.warn({ ...what, problem }, message);
  }

  async #remember(pending: Pending): Promise<void> {
    const key = `${pending.pool}\0${pending.model}`;
    if (this.#pending.size >= MAX_PENDING && !this.#pending.has(key)) {
      throw new ShoalError('conflict', `${MAX_PENDING} preloads wait for their models already`, {
        remedy: 'Want fewer models: an order ends with the want of its model.',
      });
    }
    await this.#table.put(key, pending);
    this.#pending.set(key, pending);
  }

  async #forget(key: string): Promise<void> {
    await this.#table.del(key);
    this.#pending.delete(key);
    this.#told.delete(key);
  }
}

/** The manager's own words, good or bad. */
function relayed({ status, body }: Answer): PreloadAnswer {
  return { status, body: parseObject(body) ?? { message: body.slice(0, 1_000) } };
}
