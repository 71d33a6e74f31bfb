import type { Database, Table } from './database.ts';

/** Models that are not here whatever lies there: being put together from several files. Remembered over a crash. */
export class HeldModels {
  readonly #table: Table<string[]>;
  readonly #paths = new Map<string, readonly string[]>();
  /** How many of them the file is part of. */
  readonly #holders = new Map<string, number>();

  private constructor(table: Table<string[]>) {
    this.#table = table;
  }

  static async open(parts: { readonly database: Database }): Promise<HeldModels> {
    const held = new HeldModels(parts.database.json('holds'));
    for (const [id, paths] of await held.#table.iterator().all()) held.#add(id, paths);
    return held;
  }

  ids(): string[] {
    return [...this.#paths.keys()];
  }

  has(id: string): boolean {
    return this.#paths.has(id);
  }

  pathsOf(id: string): readonly string[] | undefined {
    return this.#paths.get(id);
  }

  hasPath(path: string): boolean {
    return this.#holders.has(path);
  }

  /** In memory at once, on disk when it resolves. */
  async add(id: string, paths: readonly string[]): Promise<void> {
    this.#remove(id);
    this.#add(id, paths);
    await this.#table.put(id, [...paths]);
  }

  async remove(id: string): Promise<void> {
    this.#remove(id);
    await this.#table.del(id);
  }

  #add(id: string, paths: readonly string[]): void {
    this.#paths.set(id, paths);
    for (const path of paths) this.#holders.set(path, (this.#holders.get(path) ?? 0) + 1);
  }

  #remove(id: string): void {
    for (const path of this.#paths.get(id) ?? []) {
      const others = (this.#holders.get(path) ?? 1) - 1;
      if (others > 0) this.#holders.set(path, others);
      else this.#holders.delete(path);
    }
    this.#paths.delete(id);
  }
}
