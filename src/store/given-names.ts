import { MODEL_MAX_ALIASES, parseAlias } from '../content/model.ts';
import { ShoalError } from '../util/errors.ts';
import type { Database, Table } from './database.ts';

/** Leaves room for the aliases that follow from a model's id. */
const NAMES_MAX = MODEL_MAX_ALIASES - 2;

/**
 * Names given on registration, beside those that follow from a model's id. A name belongs to a digest and not to a file:
 * whatever takes the file's place later is not called so.
 */
export class GivenNames {
  readonly #table: Table<string>;
  readonly #owners = new Map<string, string>();
  readonly #names = new Map<string, readonly string[]>();

  private constructor(table: Table<string>) {
    this.#table = table;
  }

  static async open(parts: { readonly database: Database }): Promise<GivenNames> {
    const given = new GivenNames(parts.database.json('names'));
    for (const [name, digest] of await given.#table.iterator().all()) given.#set(name, digest);
    return given;
  }

  get size(): number {
    return this.#owners.size;
  }

  of(digest: string): readonly string[] {
    return this.#names.get(digest) ?? [];
  }

  ownerOf(name: string): string | undefined {
    return this.#owners.get(name);
  }

  /** @throws ShoalError `invalid`, `conflict` when the digest has enough names */
  async give(name: string, digest: string): Promise<void> {
    parseAlias(name);
    const others = this.of(digest).filter((other) => other !== name);
    if (others.length >= NAMES_MAX) {
      throw new ShoalError('conflict', `${digest} has ${others.length} names already`, {
        remedy: 'Delete one of its registrations first.',
      });
    }
    await this.#table.put(name, digest);
    this.#set(name, digest);
  }

  async take(name: string): Promise<void> {
    await this.#table.del(name);
    this.#set(name, undefined);
  }

  #set(name: string, digest: string | undefined): void {
    const before = this.#owners.get(name);
    if (before !== undefined) {
      const left = this.of(before).filter((other) => other !== name);
      if (left.length === 0) this.#names.delete(before);
      else this.#names.set(before, left);
      this.#owners.delete(name);
    }
    if (digest === undefined) return;
    this.#owners.set(name, digest);
    this.#names.set(digest, [...this.of(digest), name].sort());
  }
}
