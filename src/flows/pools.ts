import { EventEmitter } from 'node:events';
import type { PoolReport } from './heartbeat-documents.ts';
import type { PoolManager } from './pool-manager.ts';

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
    const configured = pools.map((pool) => reportOf(pool, { ready: this.#manager === undefined }));
    const alone = reportOf({ id: name, slots: 1, vramBytes: 0 }, { ready: this.#manager === undefined });
    if (this.#manager === undefined) return configured.length === 0 ? [alone] : configured;
    const seen = new Map(this.#manager.pools().map((pool) => [pool.id, pool]));
    const known = configured.map((pool) => ({ ...pool, ...seen.get(pool.id) }));
    const ids = new Set(known.map(({ id }) => id));
    const all = [...known, ...[...seen.values()].filter(({ id }) => !ids.has(id))];
    return all.length === 0 ? [alone] : all;
  }

  has(id: string): boolean {
    return this.list().some((pool) => pool.id === id);
  }
}

function reportOf({ id, engine, slots, vramBytes }: PoolSetting, { ready }: { ready: boolean }): PoolReport {
  return {
    id,
    ...(engine === undefined ? {} : { engine }),
    ready,
    draining: false,
    // Who has no manager is not counted: the orchestrator keeps count of what it places.
    slotsFree: ready ? slots : 0,
    slotsTotal: slots,
    vramFreeBytes: vramBytes,
  };
}
