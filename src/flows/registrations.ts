import { EventEmitter } from 'node:events';
import type { Database, Table } from '../store/database.ts';
import { ShoalError } from '../util/errors.ts';

/** What an orchestrator has asked this node to have and to report under a name of its own choice. */
export interface Registration {
  readonly id: string;
  /** `sha256:<hex>` */
  readonly digest: string;
  /** As it was given; whether it can be used shows when it is needed. */
  readonly sourceUrl?: string;
  /** Milliseconds since the epoch. */
  readonly since: number;
  /** A pool waits for it: it is fetched ahead of others and kept. */
  readonly isUrgent?: true;
}

const REGISTRATIONS_MAX = 10_000;

/** Registered models and retired ones, in memory and on disk. */
export class Registrations extends EventEmitter<{ change: [] }> {
  readonly #table: Table<Registration>;
  readonly #retiredTable: Table<number>;
  readonly #verifiedTable: Table<number>;
  readonly #registrations = new Map<string, Registration>();
  /** By name: from when on it is not reported any more. */
  readonly #retired = new Map<string, number>();
  /** By digest: when this node last read every byte on request. */
  readonly #verified = new Map<string, number>();
  #withheld: { readonly names: ReadonlySet<string>; readonly untilMs: number } | undefined;

  private constructor(database: Database) {
    super();
    this.#table = database.json('registrations');
    this.#retiredTable = database.json('retired');
    this.#verifiedTable = database.json('verified');
  }

  static async open(parts: { readonly database: Database }): Promise<Registrations> {
    const registrations = new Registrations(parts.database);
    for await (const [id, one] of registrations.#table.iterator()) registrations.#registrations.set(id, one);
    for await (const [name, atMs] of registrations.#retiredTable.iterator()) registrations.#retired.set(name, atMs);
    for await (const [digest, atMs] of registrations.#verifiedTable.iterator())
      registrations.#verified.set(digest, atMs);
    return registrations;
  }

  list(): Registration[] {
    return [...this.#registrations.values()];
  }

  get(id: string): Registration | undefined {
    return this.#registrations.get(id);
  }

  /** @throws ShoalError `conflict` when there are too many */
  async put(registration: Registration): Promise<void> {
    const { id } = registration;
    if (!this.#registrations.has(id) && this.#registrations.size >= REGISTRATIONS_MAX) {
      throw new ShoalError('conflict', `${REGISTRATIONS_MAX} models are registered here already`, {
        remedy: 'Delete those that are not needed.',
      });
    }
    await this.#keep(registration);
  }

  /** It is needed now; stays so until it is registered anew. */
  async hurry(id: string): Promise<void> {
    const known = this.#registrations.get(id);
    if (known !== undefined && known.isUrgent !== true) await this.#keep({ ...known, isUrgent: true });
  }

  /** With its retirement, if it is retired. */
  async delete(id: string): Promise<void> {
    await this.#table.del(id);
    this.#registrations.delete(id);
    await this.activate(id);
  }

  /** When the model of that name stops to be reported, or has; undefined for one that is active. */
  retirementOf(name: string): number | undefined {
    return this.#retired.get(name);
  }

  async retire(name: string, atMs: number): Promise<void> {
    await this.#retiredTable.put(name, atMs);
    this.#retired.set(name, atMs);
    this.#changed();
  }

  async activate(name: string): Promise<void> {
    await this.#retiredTable.del(name);
    this.#retired.delete(name);
    this.#changed();
  }

  verifiedAt(digest: string): number | undefined {
    return this.#verified.get(digest);
  }

  async noteVerified(digest: string, atMs: number): Promise<void> {
    await this.#verifiedTable.put(digest, atMs);
    this.#verified.set(digest, atMs);
  }

  /** Names that are not reported now. The same set until that changes. */
  withheld(nowMs: number): ReadonlySet<string> {
    if (this.#withheld === undefined || nowMs >= this.#withheld.untilMs) {
      const names = new Set<string>();
      let untilMs = Infinity;
      for (const [name, atMs] of this.#retired) {
        if (atMs <= nowMs) names.add(name);
        else untilMs = Math.min(untilMs, atMs);
      }
      this.#withheld = { names, untilMs };
    }
    return this.#withheld.names;
  }

  /** When the next model stops to be reported; Infinity when none will. */
  nextRetirementMs(nowMs: number): number {
    this.withheld(nowMs);
    return this.#withheld?.untilMs ?? Infinity;
  }

  async #keep(registration: Registration): Promise<void> {
    await this.#table.put(registration.id, registration);
    this.#registrations.set(registration.id, registration);
    this.emit('change');
  }

  #changed(): void {
    this.#withheld = undefined;
    this.emit('change');
  }
}
