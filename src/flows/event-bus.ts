import type { Log } from '../util/log.ts';
import type { NodeEvent } from './views.ts';

/** Tells subscribers of the API what happens; a listener that throws harms nobody else. */
export class EventBus {
  readonly #listeners = new Set<(event: NodeEvent) => void>();
  readonly #log: Log;

  constructor(parts: { log: Log }) {
    this.#log = parts.log;
  }

  /** False while nobody listens: what costs something to put together need not be. */
  get isWatched(): boolean {
    return this.#listeners.size > 0;
  }

  subscribe(listener: (event: NodeEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  publish(event: NodeEvent): void {
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (error) {
        this.#log.warn({ err: error, event: event.event }, 'event listener failed');
      }
    }
  }
}
