import { EventEmitter } from 'node:events';
import type { Database, Table } from './database.ts';

/** This node should have it: survives restarts, and stays after the model has arrived. */
export interface Want {
  /** Model id or alias, as it was asked for. */
  readonly name: string;
  /** Milliseconds since the epoch. */
  readonly since: number;
  readonly priority: 'normal' | 'high';
  /** Only the model with this digest will do. */
  readonly digest?: string;
}

interface Pin {
  readonly since: number;
}

/** What the operator wants here and must keep, in memory and on disk. */
export class Wants extends EventEmitter<{ change: [string] }> {
  readonly #wantTable: Table<Want>;
  readonly #pinTable: Table<Pin>;
  readonly #wants = new Map<string, Want>();
  readonly #pins = new Map<string, Pin>();

  private constructor(database: Database) {
    super();
    this.#wantTable = database.json('wants');
    this.#pinTable = database.json('pins');
  }

  static async open(parts: { readonly database: Database }): Promise<Wants> {
    const wants = new Wants(parts.database);
    for await (const [name, want] of wants.#wantTable.iterator()) wants.#wants.set(name, want);
    for await (const [id, pin] of wants.#pinTable.iterator()) wants.#pins.set(id, pin);
    return wants;
  }

  /** Oldest first. */
  list(): Want[] {
    return [...this.#wants.values()].sort((a, b) => a.since - b.since);
  }

  get(name: string): Want | undefined {
    return this.#wants.get(name);
  }

  async put(want: Want): Promise<void> {
    await this.#wantTable.put(want.name, want);
    this.#wants.set(want.name, want);
    this.emit('change', want.name);
  }

  async delete(name: string): Promise<void> {
    await this.#wantTable.del(name);
    if (this.#wants.delete(name)) this.emit('change', name);
  }

  isPinned(id: string): boolean {
    return this.#pins.has(id);
  }

  async pin(id: string, now: number): Promise<void> {
    await this.#pinTable.put(id, { since: now });
    this.#pins.set(id, { since: now });
    this.emit('change', id);
  }

  async unpin(id: string): Promise<void> {
    await this.#pinTable.del(id);
    if (this.#pins.delete(id)) this.emit('change', id);
  }
}
