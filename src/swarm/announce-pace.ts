/** Changes come in bursts, one for each file: the rest of them may come within this. */
const DEBOUNCE_MS = 50;
/** What a change costs everybody who hears of it grows with the record (its hash is over all entries). */
const GAP_MS_PER_ENTRY = 0.5;
const GAP_MAX_MS = 5_000;
/** About what fits into one delta; more would make everybody ask for the record. */
const DELTA_ENTRIES = 200;

/**
 * When the next announcement is due. News after quiet goes out at once; while announcements follow upon each other (a
 * directory is hashed for the first time) the gaps between them double, up to some seconds for the largest records.
 * Times are of one clock, in milliseconds.
 */
export class AnnouncePace {
  #dueMs = 0;
  #lastMs = -Infinity;
  #gapMs = DEBOUNCE_MS;
  #waiting = 0;

  /** Infinity while there is nothing to announce; at the start there is. */
  get dueMs(): number {
    return this.#dueMs;
  }

  /** Something that others wait for, or must not believe any longer. */
  hurry(nowMs: number): void {
    this.#dueMs = Math.min(this.#dueMs, nowMs + DEBOUNCE_MS);
  }

  /** So many new models, of which nobody expects anything. */
  add(models: number, nowMs: number): void {
    this.#waiting += models;
    const gapMs = this.#waiting < DELTA_ENTRIES ? this.#gapMs : 0;
    this.#dueMs = Math.min(this.#dueMs, Math.max(nowMs + DEBOUNCE_MS, this.#lastMs + gapMs));
  }

  /** It turned out that there was no news. */
  nothing(): void {
    this.#dueMs = Infinity;
    this.#waiting = 0;
  }

  /** @param entries of the record that was announced */
  announced(entries: number, nowMs: number): void {
    const isFirstInAWhile = nowMs - this.#lastMs >= 2 * this.#gapMs + DEBOUNCE_MS;
    const maxMs = Math.max(DEBOUNCE_MS, Math.min(entries * GAP_MS_PER_ENTRY, GAP_MAX_MS));
    this.#gapMs = isFirstInAWhile ? DEBOUNCE_MS : Math.min(2 * this.#gapMs, maxMs);
    this.#lastMs = nowMs;
    this.#dueMs = Infinity;
    this.#waiting = 0;
  }
}
