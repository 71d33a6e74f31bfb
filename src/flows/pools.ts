import { EventEmitter } from 'node:events';
import type { PoolReport } from './heartbeat-documents.ts';
import type { PoolManager, SeenPool } from './pool-manager.ts';

export interface PoolSetting {
  readonly id: string;
  readonly engine?: string;
  readonly slots: number;
  readonly vramBytes: number;
}

export interface NodePoolsOptions {
  readonly name: string;
  readonly pools: readonly PoolSetting[];
}

/**
 * The engines of this node: those that the configuration names, as their pool manager sees them now where there is one;
 * a manager may have more. A node of which neither tells any is one pool of its own name.
 */
export class NodePools extends EventEmitter<{ change: [] }> {
  readonly #options: NodePoolsOptions;
  readonly #manager: PoolManager | undefined;

  constructor(options: NodePoolsOptions, parts: { readonly manager: PoolManager | undefined }) {
    super();
    this.#options = options;
    this.#manager = parts.manager;
    this.#manager?.on('change', () => this.emit('change'));
  }

  get manager(): PoolManager | undefined {
    return this.#manager;
  }

  list(): readonly PoolReport[] {
    const { name, pools } = this.#options;
    const seen = new Map((this.#manager?.pools() ?? []).map((pool) => [pool.id, pool]));
    const ids = new Set([...pools.map(({ id }) => id), ...seen.keys()]);
    if (ids.size === 0) ids.add(name);
    return [...ids].map((id) => {
      const setting = pools.find((pool) => pool.id === id) ?? { id, slots: 1, vramBytes: 0 };
      return reportOf(
        setting,
        this.#manager === undefined ? { id, ready: true } : (seen.get(id) ?? { id, ready: false }),
      );
    });
  }

  has(id: string): boolean {
    return this.list().some((pool) => pool.id === id);
  }
}

function reportOf({ engine, slots, vramBytes }: PoolSetting, seen: SeenPool): PoolReport {
  const slotsTotal = seen.slotsTotal ?? slots;
  return {
    ...(engine === undefined ? {} : { engine }),
    draining: false,
    vramFreeBytes: vramBytes,
    ...seen,
    slotsTotal,
    // Who has no manager does not count what runs: the orchestrator keeps count of what it places.
    slotsFree: seen.ready ? Math.min(slotsTotal, seen.slotsFree ?? slotsTotal) : 0,
  };
}
