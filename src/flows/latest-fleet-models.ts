import type { Model } from '../content/model.ts';
import type { Clock } from '../util/clock.ts';
import { FleetModels, type KnownModel } from './fleet-models.ts';
import type { Offer } from './offers.ts';

export interface FleetModelSources {
  /** What others offer, as of now. */
  offers(): Iterable<Offer> & { find(idOrAlias: string): Offer | undefined };
  own(): Iterable<Model>;
  findOwn(idOrAlias: string): Model | undefined;
  /** Ids of what is wanted, or lies here damaged, and is not installed. */
  unfinished(): readonly string[];
}

/** Where more have changed, to go through all costs hardly more. */
const LOOKED_UP_MAX = 64;
/** Then all anew: what is remembered of models that are gone has a bound. */
const LOOKED_UP_IN_ALL_MAX = 10_000;
/** When nobody has asked for so long, the memory is given back. */
const KEPT_MS = 30_000;

/**
 * The models of the fleet for those who watch. A large fleet changes several times a second, one model at a time, and to
 * go through ten thousand models on eight nodes takes a third of a second: only what has changed is looked up.
 */
export class LatestFleetModels {
  readonly #sources: FleetModelSources;
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #news = new Set<string>();
  #hasNews = false;
  #models: FleetModels | undefined;
  #unfinished: ReadonlySet<string> = new Set();
  #lookedUp = 0;
  #askedMs = -Infinity;

  constructor(sources: FleetModelSources, parts: { readonly clock: Pick<Clock, 'monotonic'> }) {
    this.#sources = sources;
    this.#clock = parts.clock;
  }

  /** These ids may mean something else now; undefined: any may. */
  changed(ids: Iterable<string> | undefined): void {
    this.#hasNews = true;
    for (const id of ids ?? []) this.#news.add(id);
    const isTooMuch = this.#news.size > LOOKED_UP_MAX || this.#lookedUp > LOOKED_UP_IN_ALL_MAX;
    if (ids !== undefined && !isTooMuch && this.#clock.monotonic() - this.#askedMs <= KEPT_MS) return;
    this.#models = undefined;
    this.#news.clear();
  }

  now(): FleetModels {
    this.#askedMs = this.#clock.monotonic();
    if (this.#models !== undefined && !this.#hasNews) return this.#models;
    const unfinished = new Set(this.#sources.unfinished());
    if (this.#models === undefined) {
      this.#models = FleetModels.of(this.#sources.offers(), this.#sources.own(), unfinished);
      this.#lookedUp = 0;
    } else {
      // Nothing tells when a file turns out to be damaged.
      for (const id of unfinished.symmetricDifference(this.#unfinished)) this.#news.add(id);
      this.#lookedUp += this.#news.size;
      this.#models = this.#models.with(new Map(Array.from(this.#news, (id) => [id, this.#lookUp(id, unfinished)])));
    }
    this.#unfinished = unfinished;
    this.#news.clear();
    this.#hasNews = false;
    return this.#models;
  }

  #lookUp(id: string, unfinished: ReadonlySet<string>): KnownModel {
    // Either may answer to an alias.
    const offer = this.#sources.offers().find(id);
    const own = this.#sources.findOwn(id);
    return {
      offer: offer?.id === id ? offer : undefined,
      own: own?.id === id ? own : undefined,
      isUnfinished: unfinished.has(id),
    };
  }
}
