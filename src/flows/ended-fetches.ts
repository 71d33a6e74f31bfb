import type { Clock } from '../util/clock.ts';
import type { ModelFetch } from './model-fetch.ts';

const KEPT = 200;
const KEPT_MS = 10 * 60_000;

/** Attempts that ended lately. */
export class EndedFetches {
  readonly #clock: Clock;
  #ended: { readonly fetch: ModelFetch; readonly atMs: number }[] = [];

  constructor(parts: { readonly clock: Clock }) {
    this.#clock = parts.clock;
  }

  /** Of each model the last one: one that fails every other second must not hide all the others. */
  add(fetch: ModelFetch): void {
    this.#ended = this.#ended.filter((one) => one.fetch.offer.id !== fetch.offer.id);
    this.#ended.push({ fetch, atMs: this.#clock.monotonic() });
    this.#forgetOld();
  }

  /** The latest first. */
  latest(): ModelFetch[] {
    this.#forgetOld();
    return this.#ended.map(({ fetch }) => fetch).reverse();
  }

  #forgetOld(): void {
    const oldestMs = this.#clock.monotonic() - KEPT_MS;
    this.#ended = this.#ended.filter(({ atMs }) => atMs >= oldestMs).slice(-KEPT);
  }
}
