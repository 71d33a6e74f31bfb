import { MODEL_MAX_ALIASES, parseAlias } from '../content/model.ts';
import { aliasesOf } from '../content/model-rules.ts';
import { ShoalError } from '../util/errors.ts';
import type { Database, Table } from './database.ts';

/** Names given on registration, beside those that follow from a model's id. */
export class GivenAliases {
  readonly #table: Table<string[]>;
  readonly #aliases = new Map<string, readonly string[]>();

  private constructor(table: Table<string[]>) {
    this.#table = table;
  }

  static async open(parts: { readonly database: Database }): Promise<GivenAliases> {
    const given = new GivenAliases(parts.database.json('aliases'));
    for (const [id, aliases] of await given.#table.iterator().all()) given.#aliases.set(id, aliases);
    return given;
  }

  get(id: string): readonly string[] | undefined {
    return this.#aliases.get(id);
  }

  /** @throws ShoalError `invalid`, `conflict` when the model has enough */
  async add(id: string, aliases: readonly string[]): Promise<void> {
    const all = [...new Set([...(this.#aliases.get(id) ?? []), ...aliases.map(parseAlias)])];
    if (new Set([...aliasesOf(id), ...all]).size > MODEL_MAX_ALIASES) {
      throw new ShoalError('conflict', `${id} has ${MODEL_MAX_ALIASES} aliases already`);
    }
    await this.#table.put(id, all);
    this.#aliases.set(id, all);
  }
}
