/**
 * Values by key, where hardly any key has two: such a value is kept by itself, because a set for each of ten thousand keys
 * takes more memory than what is in them. Values are no sets themselves.
 */
export class MultiMap<K, V extends string | number | object> {
  readonly #values = new Map<K, V | Set<V>>();

  add(key: K, value: V): void {
    const found = this.#values.get(key);
    if (found === undefined) this.#values.set(key, value);
    else if (found instanceof Set) found.add(value);
    else if (found !== value) this.#values.set(key, new Set([found, value]));
  }

  delete(key: K, value: V): void {
    const found = this.#values.get(key);
    if (found === value) this.#values.delete(key);
    if (!(found instanceof Set)) return;
    found.delete(value);
    const [last] = found;
    if (found.size === 1 && last !== undefined) this.#values.set(key, last);
  }

  has(key: K): boolean {
    return this.#values.has(key);
  }

  /** In the order in which they were added. */
  of(key: K): Iterable<V> {
    const found = this.#values.get(key);
    return found === undefined ? [] : found instanceof Set ? found : [found];
  }
}
