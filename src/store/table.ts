import type { AbstractSublevel } from 'abstract-level';
import type { Level } from 'level';

export type Sublevel<V> = AbstractSublevel<Level, string | Buffer | Uint8Array, string, V>;

export type TableOperation<V> =
  | { readonly type: 'put'; readonly key: string; readonly value: V }
  | { readonly type: 'del'; readonly key: string };

/** A part of the state, by key. */
export interface Table<V> {
  get(key: string): Promise<V | undefined>;
  put(key: string, value: V): Promise<void>;
  del(key: string): Promise<void>;
  batch(operations: readonly TableOperation<V>[]): Promise<void>;
  iterator(): AsyncIterable<[string, V]> & { all(): Promise<[string, V][]> };
  keys(): { all(): Promise<string[]> };
}

/** How the database wants to be used. */
export interface DatabaseAccess {
  read<T>(work: () => Promise<T>): Promise<T>;
  write(work: () => Promise<void>): Promise<void>;
}

export class LevelTable<V> implements Table<V> {
  readonly #sublevel: Sublevel<V>;
  readonly #access: DatabaseAccess;

  constructor(sublevel: Sublevel<V>, access: DatabaseAccess) {
    this.#sublevel = sublevel;
    this.#access = access;
  }

  get(key: string): Promise<V | undefined> {
    return this.#access.read(() => this.#sublevel.get(key));
  }

  put(key: string, value: V): Promise<void> {
    return this.#access.write(() => this.#sublevel.put(key, value));
  }

  del(key: string): Promise<void> {
    return this.#access.write(() => this.#sublevel.del(key));
  }

  batch(operations: readonly TableOperation<V>[]): Promise<void> {
    return this.#access.write(() => this.#sublevel.batch([...operations]));
  }

  iterator(): AsyncIterable<[string, V]> & { all(): Promise<[string, V][]> } {
    const all = (): Promise<[string, V][]> => this.#access.read(() => this.#sublevel.iterator().all());
    return {
      all,
      async *[Symbol.asyncIterator]() {
        yield* await all();
      },
    };
  }

  keys(): { all(): Promise<string[]> } {
    return { all: () => this.#access.read(() => this.#sublevel.keys().all()) };
  }
}
