import { aliasesOf } from '../content/model-rules.ts';
import type { Clock } from '../util/clock.ts';
import { ShoalError } from '../util/errors.ts';
import { LIMITS } from './limits.ts';
import type { DurableTable } from './table.ts';

export type Lifecycle = 'Active' | 'Retired';

/** What the operator says of a model; which nodes have it is for heartbeats to say. */
export interface CatalogModel {
  readonly id: string;
  /** `sha256:<hex>` */
  readonly digest: string;
  readonly sourceUrl?: string;
  readonly sizeBytes?: number;
  readonly registeredAtMs: number;
  readonly lifecycle: Lifecycle;
  /** A retired model is placed until then. Milliseconds since the epoch. */
  readonly deadlineAtMs?: number;
  readonly lastVerifiedMs?: number;
}

/** The models that were registered, and which of them are to be used no more. Durable. */
export class ModelCatalog {
  readonly #models = new Map<string, CatalogModel>();
  /** Retired ids by every name that can mean them. */
  readonly #retired = new Map<string, Set<string>>();
  readonly #table: DurableTable<CatalogModel>;
  readonly #clock: Clock;
  #version = 1;

  private constructor(parts: { table: DurableTable<CatalogModel>; clock: Clock }) {
    this.#table = parts.table;
    this.#clock = parts.clock;
  }

  static async open(parts: { table: DurableTable<CatalogModel>; clock: Clock }): Promise<ModelCatalog> {
    const catalog = new ModelCatalog(parts);
    for await (const [, model] of parts.table.entries()) catalog.#keep(model);
    return catalog;
  }

  get size(): number {
    return this.#models.size;
  }

  /** Grows with every change. */
  get version(): number {
    return this.#version;
  }

  /** Sorted by id. */
  list(): CatalogModel[] {
    return [...this.#models.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  find(id: string): CatalogModel | undefined {
    return this.#models.get(id);
  }

  /** @throws ShoalError `not-found` */
  get(id: string): CatalogModel {
    const model = this.#models.get(id);
    if (model !== undefined) return model;
    throw new ShoalError('not-found', 'not found', { remedy: 'Register it with POST /v2/catalog/models.' });
  }

  /** Saying the same again is no error. @throws ShoalError `conflict` for another content under the same id */
  async register(model: Pick<CatalogModel, 'id' | 'digest' | 'sourceUrl' | 'sizeBytes'>): Promise<CatalogModel> {
    const known = this.#models.get(model.id);
    if (known !== undefined && known.digest !== model.digest) {
      throw new ShoalError('conflict', `"${model.id}" is registered with ${known.digest}`, {
        remedy: 'An id names one content: delete the registration first, or register the new content as another id.',
      });
    }
    if (known === undefined && this.#models.size >= LIMITS.catalogModels) {
      throw new ShoalError('source-busy', `${LIMITS.catalogModels} models are registered: no more are taken`, {
        remedy: 'Delete registrations that nobody needs.',
      });
    }
    const registered = { registeredAtMs: this.#clock.now(), lifecycle: 'Active' as const, ...known, ...model };
    return this.#save(registered);
  }

  /** Returns whether it was registered. */
  async remove(id: string): Promise<boolean> {
    const model = this.#models.get(id);
    if (model === undefined) return false;
    this.#models.delete(id);
    this.#version += 1;
    this.#forgetRetired(model);
    await this.#table.del(id);
    return true;
  }

  /** @throws ShoalError `not-found` */
  async setState(id: string, state: Lifecycle, deadlineAtMs?: number): Promise<CatalogModel> {
    const { digest, sourceUrl, sizeBytes, registeredAtMs, lastVerifiedMs } = this.get(id);
    return this.#save({
      ...{ id, digest, registeredAtMs, lifecycle: state },
      ...(sourceUrl === undefined ? {} : { sourceUrl }),
      ...(sizeBytes === undefined ? {} : { sizeBytes }),
      ...(lastVerifiedMs === undefined ? {} : { lastVerifiedMs }),
      ...(state === 'Retired' ? { deadlineAtMs: deadlineAtMs ?? this.#clock.now() } : {}),
    });
  }

  /** @throws ShoalError `not-found` */
  async stampVerified(id: string): Promise<CatalogModel> {
    return this.#save({ ...this.get(id), lastVerifiedMs: this.#clock.now() });
  }

  /** Retired models, their deadlines over, that this name can mean. */
  retired(name: string): string[] {
    const ids = this.#retired.get(name);
    if (ids === undefined) return [];
    const now = this.#clock.now();
    return [...ids].filter((id) => (this.#models.get(id)?.deadlineAtMs ?? Infinity) <= now);
  }

  async #save(model: CatalogModel): Promise<CatalogModel> {
    // In memory first: a placement that comes while this is written must not miss it.
    this.#keep(model);
    await this.#table.put(model.id, model);
    return model;
  }

  #keep(model: CatalogModel): void {
    this.#version += 1;
    this.#forgetRetired(model);
    this.#models.set(model.id, model);
    if (model.lifecycle !== 'Retired') return;
    for (const name of [model.id, ...aliasesOf(model.id)]) {
      this.#retired.set(name, (this.#retired.get(name) ?? new Set()).add(model.id));
    }
  }

  #forgetRetired({ id }: CatalogModel): void {
    for (const name of [id, ...aliasesOf(id)]) {
      const ids = this.#retired.get(name);
      if (ids?.delete(id) === true && ids.size === 0) this.#retired.delete(name);
    }
  }
}
