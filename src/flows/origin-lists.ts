import { EventEmitter } from 'node:events';
import { isDeepStrictEqual } from 'node:util';
import type { Origin, OriginModel } from '../transfer/origin.ts';
import type { Clock } from '../util/clock.ts';
import { withDeadline } from '../util/deadline.ts';
import { codeOf, messageOf } from '../util/errors.ts';
import type { Log } from '../util/log.ts';
import { Wake } from '../util/wake.ts';
import type { OriginView } from './views.ts';

const PERIOD_MS = 60_000;
/** An origin that could not be read is asked again sooner, so that a NAS that comes back is used within seconds. */
const RETRY_MS = 5_000;
const LIST_DEADLINE_MS = 30_000;

interface Listing {
  readonly origin: Origin;
  readonly wake: Wake;
  /** Who asked for a rescan and waits for its end. */
  waiting: (() => void)[];
  models: readonly OriginModel[];
  listedAt?: number;
  problem?: { code: string; message: string };
}

/** What each origin offers: read at the start, every minute and on demand. A list that cannot be read now stays as it was. */
export class OriginLists extends EventEmitter<{ change: [OriginView] }> {
  readonly #listings: Listing[];
  readonly #clock: Clock;
  readonly #log: Log;
  #unread: number;

  constructor(parts: { origins: readonly Origin[]; clock: Clock; log: Log }) {
    super();
    this.#listings = parts.origins.map((origin) => ({ origin, wake: new Wake(), waiting: [], models: [] }));
    this.#unread = this.#listings.length;
    this.#clock = parts.clock;
    this.#log = parts.log;
  }

  /** True when every origin has been asked once. */
  get asked(): boolean {
    return this.#unread === 0;
  }

  offers(): { url: string; models: readonly OriginModel[] }[] {
    return this.#listings.map(({ origin, models }) => ({ url: origin.url, models }));
  }

  origin(url: string): Origin | undefined {
    return this.#listings.find(({ origin }) => origin.url === url)?.origin;
  }

  views(): OriginView[] {
    return this.#listings.map(viewOf);
  }

  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#listings.map((listing) => this.#watch(listing, signal)));
  }

  /** Resolves when each origin has been read once more, or could not be. */
  async rescan(): Promise<void> {
    const rounds = this.#listings.map(
      (listing) =>
        new Promise<void>((resolve) => {
          listing.waiting.push(resolve);
          listing.wake.notify();
        }),
    );
    await Promise.all(rounds);
  }

  async #watch(listing: Listing, signal: AbortSignal): Promise<void> {
    let first = true;
    while (!signal.aborted) {
      const waiting = listing.waiting.splice(0);
      await this.#read(listing, signal);
      for (const resolve of waiting) resolve();
      if (first) this.#unread -= 1;
      first = false;
      await listing.wake.wait(listing.problem === undefined ? PERIOD_MS : RETRY_MS, signal);
    }
  }

  async #read(listing: Listing, signal: AbortSignal): Promise<void> {
    const { origin } = listing;
    const before = listing.problem?.message;
    try {
      const models = await withDeadline(LIST_DEADLINE_MS, (deadline) => origin.list(deadline), signal);
      // The same object as long as it says the same: then nobody looks through it again.
      if (!isDeepStrictEqual(models, listing.models)) listing.models = models;
      listing.listedAt = this.#clock.now();
      delete listing.problem;
      if (before !== undefined) this.#log.info({ origin: origin.url, models: models.length }, 'origin is back');
    } catch (error) {
      if (signal.aborted) throw error;
      listing.problem = { code: codeOf(error), message: messageOf(error) };
      if (before !== listing.problem.message) {
        this.#log.warn({ origin: origin.url, problem: listing.problem.message }, 'origin cannot be listed, trying on');
      }
    }
    this.emit('change', viewOf(listing));
  }
}

function viewOf(listing: Listing): OriginView {
  const { origin, models, listedAt, problem } = listing;
  return {
    url: origin.url,
    kind: origin.url.startsWith('file:') ? 'file' : 'http',
    published: models.every((model) => model.digest !== undefined),
    reachable: problem === undefined && listedAt !== undefined,
    models: models.length,
    ...(listedAt === undefined ? {} : { listedAt: new Date(listedAt).toISOString() }),
    ...(problem === undefined ? {} : { problem }),
  };
}
