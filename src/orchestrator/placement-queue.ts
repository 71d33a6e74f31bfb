import type { Clock } from '../util/clock.ts';
import { childController } from '../util/deadline.ts';
import { ShoalError } from '../util/errors.ts';
import type { FleetPool } from './fleet-node.ts';
import { LIMITS } from './limits.ts';
import { type Demand, refusalOf } from './placement.ts';

interface Waiter {
  readonly models: readonly string[];
  readonly demand: () => Demand;
  /** Returns whether the waiter has got what it wants. */
  readonly attempt: () => boolean;
}

/** Tasks that wait for a place, first come, first served. */
export class PlacementQueue {
  readonly #waiters = new Set<Waiter>();
  readonly #clock: Clock;

  constructor(parts: { clock: Clock }) {
    this.#clock = parts.clock;
  }

  get size(): number {
    return this.#waiters.size;
  }

  /**
   * Tries again whenever a pool may have become able to take the task; undefined when the time is over.
   * @throws ShoalError `source-busy` when too many wait already; the signal's reason
   */
  async wait<T>(
    what: Pick<Waiter, 'models' | 'demand'> & { readonly attempt: () => T | undefined; readonly maxMs: number },
    signal: AbortSignal,
  ): Promise<T | undefined> {
    if (this.#waiters.size >= LIMITS.waiters) {
      throw new ShoalError('source-busy', `${LIMITS.waiters} tasks wait for a place already`, {
        remedy: 'Try again later, without max_wait_ms or with fewer requests at a time.',
        fields: { retryAfter: '1' },
      });
    }
    const { controller, release } = childController(signal);
    let found: T | undefined;
    let failure: unknown;
    const waiter: Waiter = {
      models: what.models,
      demand: what.demand,
      attempt: () => {
        try {
          found = what.attempt();
          if (found === undefined) return false;
        } catch (error) {
          // It is the waiter's trouble, not that of the node whose heartbeat has come.
          failure = error;
        }
        controller.abort();
        return true;
      },
    };
    this.#waiters.add(waiter);
    try {
      await this.#clock.sleep(what.maxMs, controller.signal);
    } catch (error) {
      signal.throwIfAborted();
      if (found === undefined) throw failure ?? error;
    } finally {
      this.#waiters.delete(waiter);
      release();
    }
    return found;
  }

  /** This pool may be able to take a task. */
  offer(pool: FleetPool): void {
    for (const waiter of this.#waiters) {
      if (pool.freeSlots === 0) return;
      // Each heartbeat of each node comes here: who waits for what the pool has not got costs one look.
      if (!waiter.models.every((model) => pool.models.has(model))) continue;
      if (refusalOf(pool, waiter.demand()) === undefined && waiter.attempt()) this.#waiters.delete(waiter);
    }
  }
}
