interface Due {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => Promise<void>;
}

/** What is to happen when, by a virtual clock; what is due at the same moment happens in the order in which it was noted. */
export class Agenda {
  /** The next one is the last. */
  readonly #queue: Due[] = [];
  #order = 0;

  at(atMs: number, run: () => Promise<void>): void {
    this.#order += 1;
    const due = { atMs, order: this.#order, run };
    let low = 0;
    let high = this.#queue.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = this.#queue[middle];
      if (other !== undefined && (other.atMs > atMs || (other.atMs === atMs && other.order > due.order)))
        low = middle + 1;
      else high = middle;
    }
    this.#queue.splice(low, 0, due);
  }

  next(): Due | undefined {
    return this.#queue.pop();
  }
}
