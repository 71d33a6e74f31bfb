import type { Clock } from '../util/clock.ts';
import type { ModelViews } from './model-views.ts';
import type { OriginLists } from './origin-lists.ts';

/** A daemon that has just started learns within so long what the others have. */
const LEARNING_MS = 6_000;
/** News of a model reach an orchestrator a little sooner than every node, and the orchestrator may act at once. */
const NEWS_MS = 1_000;
const LOOK_AGAIN_MS = 100;

export interface KnownNamesParts {
  readonly views: ModelViews;
  readonly origins: OriginLists;
  readonly clock: Clock;
}

/** Which model a name means, with some patience for one that is on everybody's lips and not here yet. */
export class KnownNames {
  readonly #parts: KnownNamesParts;
  readonly #startMs: number;

  constructor(parts: KnownNamesParts) {
    this.#parts = parts;
    this.#startMs = parts.clock.monotonic();
  }

  /** The model's id. @throws ShoalError `not-found` */
  async resolve(idOrAlias: string): Promise<string> {
    const { clock, views, origins } = this.#parts;
    const signal = new AbortController().signal;
    const askedMs = clock.monotonic();
    for (;;) {
      const id = views.resolve(idOrAlias);
      if (id !== undefined) return id;
      const nowMs = clock.monotonic();
      const isPatient = nowMs - this.#startMs < LEARNING_MS || nowMs - askedMs < NEWS_MS || !origins.asked;
      if (!isPatient) return views.get(idOrAlias).id;
      await clock.sleep(LOOK_AGAIN_MS, signal);
    }
  }
}
