import { EventEmitter } from 'node:events';
import type { Clock } from '../util/clock.ts';
import { ShoalError } from '../util/errors.ts';
import type { FleetPool } from './fleet-node.ts';
import { LIMITS } from './limits.ts';
import { smoothed } from './node-contents.ts';

export interface Lease {
  readonly id: string;
  readonly pool: FleetPool;
  readonly grantedAtMs: number;
  /** By the clock that never goes back. */
  readonly endsMs: number;
  readonly durationMs: number;
}

/** Before anybody has said what a task takes, all pools are alike: any number would do. */
const USUAL_TASK_MS = 60_000;

/**
 * Slots that are promised for a short time, so that two callers never pick the same last one. In memory only: after a
 * restart of the orchestrator no pool is placed on before its next heartbeat, which shows the work that has begun.
 */
export class LeaseBook extends EventEmitter<{ freed: [FleetPool] }> {
  readonly #leases = new Map<string, Lease>();
  /** The one that ends first stands first. */
  readonly #byEnd: Lease[] = [];
  readonly #byPool = new Map<FleetPool, Set<Lease>>();
  readonly #clock: Clock;
  readonly #newId: () => string;
  #usualTaskMs: number | undefined;

  constructor(parts: { clock: Clock; newId: () => string }) {
    super();
    this.#clock = parts.clock;
    this.#newId = parts.newId;
  }

  get size(): number {
    return this.#leases.size;
  }

  list(): Lease[] {
    this.expire();
    return [...this.#byEnd];
  }

  /** @throws ShoalError `conflict` when the pool has no slot left, `source-busy` when there are too many leases */
  grant(pool: FleetPool, durationMs: number): Lease {
    this.expire();
    if (pool.freeSlots < 1) {
      throw new ShoalError('conflict', `pool "${pool.poolId}" of "${pool.node.id}" has no free slot left`, {
        remedy: 'Ask POST /v2/placement for another.',
      });
    }
    if (this.#leases.size >= LIMITS.leases) {
      throw new ShoalError('source-busy', `${LIMITS.leases} leases are held: no more are given`, {
        remedy: 'Release leases that are not needed, and ask for shorter ones.',
      });
    }
    const endsMs = this.#clock.monotonic() + durationMs;
    const lease: Lease = { id: this.#newId(), pool, grantedAtMs: this.#clock.now(), endsMs, durationMs };
    this.#leases.set(lease.id, lease);
    this.#byEnd.splice(this.#placeOf(endsMs), 0, lease);
    const ofPool = this.#byPool.get(pool);
    if (ofPool === undefined) this.#byPool.set(pool, new Set([lease]));
    else ofPool.add(lease);
    pool.slots.grant(lease.id);
    return lease;
  }

  /** The work has ended (after `tookMs`, if given) or will not begin. Returns whether there was such a lease. */
  release(id: string, tookMs?: number): boolean {
    this.expire();
    const lease = this.#leases.get(id);
    if (lease === undefined) return false;
    this.#byEnd.splice(this.#byEnd.indexOf(lease), 1);
    if (tookMs !== undefined) {
      lease.pool.taskMs = smoothed(lease.pool.taskMs, tookMs);
      this.#usualTaskMs = smoothed(this.#usualTaskMs, tookMs);
    }
    this.#end(lease, 'released');
    return true;
  }

  /** Leases of a pool that is gone protect nothing any more. */
  drop(pool: FleetPool): void {
    for (const lease of [...(this.#byPool.get(pool) ?? [])]) this.release(lease.id);
  }

  /** Ends what has run out. */
  expire(): void {
    const now = this.#clock.monotonic();
    while ((this.#byEnd[0]?.endsMs ?? Infinity) <= now) {
      const lease = this.#byEnd.shift();
      if (lease !== undefined) this.#end(lease, 'run out');
    }
  }

  /** When the next lease of this pool ends; undefined when it has none. */
  nextEndMs(pool: FleetPool): number | undefined {
    if (pool.slots.promised === 0) return undefined;
    let first = Infinity;
    for (const { endsMs } of this.#byPool.get(pool) ?? []) first = Math.min(first, endsMs);
    return first === Infinity ? undefined : first;
  }

  /** What a task takes where nobody has measured it. */
  get usualTaskMs(): number {
    return this.#usualTaskMs ?? USUAL_TASK_MS;
  }

  #end(lease: Lease, how: 'released' | 'run out'): void {
    this.#leases.delete(lease.id);
    const ofPool = this.#byPool.get(lease.pool);
    if (ofPool?.delete(lease) === true && ofPool.size === 0) this.#byPool.delete(lease.pool);
    if (how === 'released') lease.pool.slots.release(lease.id);
    else lease.pool.slots.runOut(lease.id);
    this.emit('freed', lease.pool);
  }

  /** Behind all that end no later. */
  #placeOf(endsMs: number): number {
    let low = 0;
    let high = this.#byEnd.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#byEnd[middle]?.endsMs ?? 0) <= endsMs) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
