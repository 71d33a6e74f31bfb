const MAX_KEYS = 4096;

/** Says whether something is seen for the first time, so that a stranger cannot fill the log; forgets the oldest. */
export class NoteOnce {
  readonly #keys = new Set<string>();

  isFirst(key: string): boolean {
    if (this.#keys.has(key)) return false;
    const [oldest] = this.#keys;
    if (this.#keys.size >= MAX_KEYS && oldest !== undefined) this.#keys.delete(oldest);
    this.#keys.add(key);
    return true;
  }
}
