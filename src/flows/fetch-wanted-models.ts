import { EventEmitter } from 'node:events';
import { draftId } from '../content/draft.ts';
import type { Store } from '../store/store.ts';
import type { Want } from '../store/wants.ts';
import type { Clock } from '../util/clock.ts';
import { childController } from '../util/deadline.ts';
import { codeOf, messageOf, ShoalError } from '../util/errors.ts';
import type { Log } from '../util/log.ts';
import { Wake } from '../util/wake.ts';
import { EndedFetches } from './ended-fetches.ts';
import { Leftovers } from './leftovers.ts';
import type { ModelLocator } from './locate-models.ts';
import { missingBytes } from './missing-bytes.ts';
import { ModelFetch, type ModelFetchParts } from './model-fetch.ts';
import type { Offer } from './offers.ts';
import { problemView } from './problems.ts';
import { SharedBlobs } from './shared-blobs.ts';
import type { ProblemView, TransferView } from './views.ts';
import { nobodyHas, notAsOffered, onlyLies } from './want-problems.ts';

export interface FetchWantedParts {
  readonly store: Store;
  readonly locator: ModelLocator;
  readonly fetch: ModelFetchParts;
  readonly clock: Clock;
  readonly log: Log;
}

interface Attempt {
  readonly fetch: ModelFetch;
  readonly abort: () => void;
  readonly ended: Promise<void>;
  /** Monotonic time since which nothing moves. */
  stalledSinceMs: number | undefined;
}

/** What is known of a want beside the want itself. */
interface Progress {
  attempt: Attempt | undefined;
  /** What was tried last. */
  offer: Offer | undefined;
  problem: ShoalError | undefined;
  /** What the log has been told of last, over all attempts. */
  told: string | undefined;
  failures: number;
  /** Monotonic time before which it is not tried again. */
  notBeforeMs: number;
}

const LOOK_MS = 2_000;
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 30_000;
/** Space comes when somebody deletes something: worth a look often. */
const NO_SPACE_RETRY_MS = 2_000;
/** Stalled for so long, it is tried with another manifest where there is one: a liar may hold back what only he has. */
const TRY_ANOTHER_MS = 10_000;

/** The second walk: what is wanted and not here is located, fetched and installed, again and again until it is. */
export class FetchWantedModels extends EventEmitter<{ transfer: [TransferView] }> {
  readonly #parts: FetchWantedParts;
  readonly #leftovers: Leftovers;
  readonly #wake = new Wake();
  readonly #progress = new Map<string, Progress>();
  readonly #ended: EndedFetches;
  readonly #shared = new SharedBlobs();

  constructor(parts: FetchWantedParts) {
    super();
    this.#parts = parts;
    this.#ended = new EndedFetches(parts);
    this.#leftovers = new Leftovers({ ...parts, copies: parts.fetch.copies });
  }

  /** Something has changed that may let a want go on. */
  notify(): void {
    this.#wake.notify();
  }

  /** A new want starts without the troubles of an earlier one. */
  forgive(name: string): void {
    const progress = this.#progress.get(name);
    if (progress === undefined) return;
    progress.problem = undefined;
    progress.told = undefined;
    progress.failures = 0;
    progress.notBeforeMs = -Infinity;
    this.notify();
  }

  /** Active ones first, then those that ended lately. */
  transfers(): TransferView[] {
    const active = [...this.#progress.values()].flatMap(({ attempt }) =>
      attempt === undefined ? [] : [attempt.fetch],
    );
    const activeIds = new Set(active.map(({ offer }) => offer.id));
    const ended = this.#ended.latest().filter(({ offer }) => !activeIds.has(offer.id));
    return [...active, ...ended].map((fetch) => fetch.view());
  }

  active(): TransferView[] {
    return [...this.#progress.values()].flatMap(({ attempt }) => (attempt === undefined ? [] : [attempt.fetch.view()]));
  }

  /** Of all that is wanted and not here, also of what was refused for lack of space and has no attempt. */
  async missingBytes(): Promise<number> {
    const { store, locator, fetch } = this.#parts;
    const counted = new Set<string>();
    let sum = 0;
    for (const want of store.wants.list()) {
      if (this.#isHere(want)) continue;
      const offer = this.#progress.get(want.name)?.attempt?.fetch.offer ?? locator.offers.find(want.name, want.digest);
      if (offer !== undefined) sum += await missingBytes(offer, fetch, counted);
    }
    return sum;
  }

  problemOf(name: string): ProblemView | undefined {
    const problem = this.#progress.get(name)?.problem;
    return problem === undefined ? undefined : problemView(problem);
  }

  isActive(name: string): boolean {
    return this.#progress.get(name)?.attempt !== undefined;
  }

  /** Deletes the want. What was being put into place for it has arrived when this resolves. */
  async callOff(name: string): Promise<void> {
    await this.#parts.store.wants.delete(name);
    await this.#end(name);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { store, locator } = this.#parts;
    const onChange = (): void => this.#wake.notify();
    store.wants.on('change', onChange);
    store.catalog.on('change', onChange);
    const unlisten = locator.onChange(onChange);
    try {
      await store.scanner.firstScan;
      // A crash left models half in place; of those that nobody wants any more the first look takes back what is there.
      for (const id of store.installer.unfinished()) this.#progressOf(id);
      while (!signal.aborted) {
        await this.#look(signal);
        await this.#wake.wait(LOOK_MS, signal);
      }
    } finally {
      unlisten();
      store.wants.off('change', onChange);
      store.catalog.off('change', onChange);
      await Promise.all([...this.#progress.values()].flatMap(({ attempt }) => attempt?.ended ?? []));
    }
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { store } = this.#parts;
    const wants = store.wants.list();
    const wanted = new Set(wants.map(({ name }) => name));
    for (const [name, progress] of this.#progress) {
      if (wanted.has(name)) continue;
      await this.#end(name);
      if (!(await this.#leftovers.takeBack(name))) continue;
      this.#progress.delete(name);
      const offer = progress.offer ?? this.#parts.locator.offers.find(name);
      if (offer !== undefined) await this.#leftovers.discard(offer, this.#needed());
    }
    for (const want of wants) await this.#leaveForNewer(want);
    const busy = new Set([...this.#progress.values()].flatMap(({ attempt }) => attempt?.fetch.offer.id ?? []));
    for (const want of wants) {
      const progress = this.#progressOf(want.name);
      if (this.#isHere(want)) {
        progress.problem = undefined;
        continue;
      }
      if (progress.attempt !== undefined) {
        progress.attempt.fetch.prioritize(want.priority);
        this.#leaveIfStalled(want, progress.attempt);
        continue;
      }
      if (this.#parts.clock.monotonic() < progress.notBeforeMs) continue;
      const { offers } = this.#parts.locator;
      const offer = offers.find(want.name, want.digest);
      if (offer === undefined) {
        progress.problem = offers.isRefuted(want.name, want.digest) ? onlyLies(want) : nobodyHas(want);
      } else if (!busy.has(offer.id)) {
        busy.add(offer.id);
        this.#start(want, offer, progress, signal);
      }
    }
  }

  async #end(name: string): Promise<void> {
    const attempt = this.#progress.get(name)?.attempt;
    attempt?.abort();
    await attempt?.ended;
  }

  /** The file was changed where it came from: nobody has the rest of the old one, and somebody has a new one. */
  async #leaveForNewer(want: Want): Promise<void> {
    const { locator, log } = this.#parts;
    const attempt = this.#progressOf(want.name).attempt;
    if (attempt?.fetch.view().state !== 'stalled') return;
    const { id, digest } = attempt.fetch.offer;
    const newer = locator.offers.find(want.name, want.digest);
    if (newer === undefined || newer.digest === digest) return;
    // An unhashed offer is found by any of its name: whoever has hashed it can give it, too.
    if (digest !== undefined && locator.offers.find(id, digest) !== undefined) return;
    log.info(
      { model: id, old: digest, digest: newer.digest },
      'model is offered with other bytes now, these are fetched',
    );
    attempt.abort();
    await attempt.ended;
    this.#progressOf(want.name).offer = newer;
    // What is here of a draft is of the same bytes, now that they have a name: it is adopted.
    if (digest !== undefined) await this.#leftovers.discard(attempt.fetch.offer, this.#needed());
  }

  /** Who announces a true sha256 with a manifest of his own must not hold up those who announce the right one. */
  #leaveIfStalled({ name }: Want, attempt: Attempt): void {
    const { clock, locator, log } = this.#parts;
    const nowMs = clock.monotonic();
    if (attempt.fetch.view().state !== 'stalled') attempt.stalledSinceMs = undefined;
    else attempt.stalledSinceMs ??= nowMs;
    const { offer } = attempt.fetch;
    if (nowMs - (attempt.stalledSinceMs ?? nowMs) < TRY_ANOTHER_MS) return;
    if (!locator.offers.hasOther(name, offer)) return;
    log.warn({ model: offer.id, peers: offer.peers }, 'fetch stalled, tried with another manifest');
    locator.failed(offer);
    attempt.abort();
  }

  #isHere(want: Want): boolean {
    const model = this.#parts.store.catalog.findModel(want.name);
    if (model === undefined || (want.digest !== undefined && want.digest !== model.digest)) return false;
    // One that is only called so is another model than the one of that id.
    return model.id === want.name || this.#parts.locator.offers.find(want.name, want.digest)?.id !== want.name;
  }

  #start(want: Want, offer: Offer, progress: Progress, signal: AbortSignal): void {
    const { log, fetch: parts } = this.#parts;
    const { controller, release } = childController(signal);
    const fetch = new ModelFetch({ offer, priority: want.priority, shared: this.#shared }, parts);
    log.info(
      { model: offer.id, bytes: offer.sizeBytes, peers: offer.peers.length, origins: offer.origins },
      'model wanted',
    );
    const work = async (): Promise<void> => {
      try {
        await this.#leftovers.discardOlder(offer);
        await fetch.run(controller.signal);
        // What was called off while it was put into place is nobody's failure.
        if (!controller.signal.aborted && !this.#isHere(want)) throw notAsOffered(offer);
        const { bytesTotal, seconds, refetchedBytes, sources } = fetch.view();
        const from = sources.map(({ kind, id, name, bytes }) => ({ kind, id, name, bytes }));
        log.info({ model: offer.id, bytes: bytesTotal, seconds, refetchedBytes, from }, 'model installed');
        progress.problem = undefined;
        progress.told = undefined;
        progress.failures = 0;
      } catch (error) {
        if (!controller.signal.aborted) this.#failed(offer, progress, error);
      } finally {
        release();
        progress.attempt = undefined;
        if (!controller.signal.aborted) this.#ended.add(fetch);
        this.emit('transfer', fetch.view());
        this.#wake.notify();
      }
    };
    progress.problem = undefined;
    progress.offer = offer;
    progress.attempt = {
      fetch,
      abort: () => controller.abort(new DOMException('not wanted any more', 'AbortError')),
      ended: work(),
      stalledSinceMs: undefined,
    };
    this.emit('transfer', fetch.view());
  }

  #failed(offer: Offer, progress: Progress, error: unknown): void {
    const { clock, locator, log } = this.#parts;
    locator.failed(offer);
    progress.problem =
      error instanceof ShoalError ? error : new ShoalError('internal', messageOf(error), { cause: error });
    progress.failures += 1;
    const backOffMs = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(progress.failures - 1, 10));
    const isSpace = codeOf(error) === 'disk-full';
    progress.notBeforeMs = clock.monotonic() + (isSpace ? NO_SPACE_RETRY_MS : backOffMs);
    const { code, message, remedy } = progress.problem;
    // How much room is missing changes all the time.
    const telling = isSpace ? code : message;
    if (progress.told === telling) return;
    progress.told = telling;
    log.warn(
      { model: offer.id, code, problem: message, remedy, err: code === 'internal' ? error : undefined },
      'model not fetched, trying on',
    );
  }

  /** Blobs and drafts of what is wanted. */
  #needed(): Set<string | undefined> {
    const offers = [...this.#progress.values()].flatMap(({ offer }) => offer ?? []);
    return new Set(offers.flatMap(({ files }) => files.map((file) => file.sha256 ?? draftId(file))));
  }

  #progressOf(name: string): Progress {
    const known = this.#progress.get(name);
    if (known !== undefined) return known;
    const made: Progress = {
      attempt: undefined,
      offer: undefined,
      problem: undefined,
      told: undefined,
      failures: 0,
      notBeforeMs: -Infinity,
    };
    this.#progress.set(name, made);
    return made;
  }
}
