import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseDigest } from '../content/digest.ts';
import type { Model } from '../content/model.ts';
import type { Store } from '../store/store.ts';
import type { Clock } from '../util/clock.ts';
import { childController } from '../util/deadline.ts';
import { codeOf, messageOf, ShoalError } from '../util/errors.ts';
import type { Log } from '../util/log.ts';
import { Wake } from '../util/wake.ts';
import type { FetchWantedModels } from './fetch-wanted-models.ts';
import type { ModelLocator } from './locate-models.ts';
import { problemView } from './problems.ts';
import type { Registration, Registrations } from './registrations.ts';
import { placeOf } from './source-url.ts';
import { UrlDownload, urlDownloadFolder } from './url-download.ts';
import type { ProblemView, TransferView } from './views.ts';
import { notAsOffered } from './want-problems.ts';

export interface RegisteredModelsOptions {
  readonly modelsDir: string;
  readonly origins: readonly string[];
  /** Bytes per second of one download; `Infinity` for no limit. */
  readonly bytesPerSecond: number;
}

export interface RegisteredModelsParts {
  readonly store: Store;
  readonly registrations: Registrations;
  readonly locator: ModelLocator;
  readonly wanted: FetchWantedModels;
  readonly clock: Clock;
  readonly log: Log;
}

/** What is done about a registration now. */
type Work =
  | { readonly kind: 'verifying'; readonly abort: () => void }
  | { readonly kind: 'downloading'; readonly download: UrlDownload; readonly abort: () => void };

interface Progress {
  /** For another digest it starts anew. */
  readonly digest: string;
  work: Work | undefined;
  /** Until the work has ended. */
  running: Promise<void> | undefined;
  /** What has the digest is called so. */
  isNamed: boolean;
  problem: ShoalError | undefined;
  failures: number;
  notBeforeMs: number;
}

const LOOK_MS = 2_000;
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 60_000;
const MAX_DOWNLOADS = 2;
/** What a pool waits for does not wait for others. */
const MAX_URGENT_DOWNLOADS = 4;

/**
 * Sees to it that what is registered is here and is called so: bytes that are here are read again before they get the
 * name; others are fetched, from peers and origins while one has them, else from the source_url.
 */
export class RegisteredModels {
  readonly #options: RegisteredModelsOptions;
  readonly #parts: RegisteredModelsParts;
  readonly #wake = new Wake();
  readonly #progress = new Map<string, Progress>();
  readonly #running = new Set<Promise<void>>();

  constructor(options: RegisteredModelsOptions, parts: RegisteredModelsParts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** A new registration starts without the troubles of an earlier one. */
  forgive(id: string): void {
    const progress = this.#progress.get(id);
    if (progress?.work === undefined) this.#progress.delete(id);
    this.#wake.notify();
  }

  isVerifying(id: string): boolean {
    return this.#progress.get(id)?.work?.kind === 'verifying';
  }

  problemOf(id: string): ProblemView | undefined {
    const problem = this.#progress.get(id)?.problem;
    return problem === undefined ? undefined : problemView(problem);
  }

  /** Downloads from source_urls that are under way. */
  active(): TransferView[] {
    return [...this.#progress.values()].flatMap(({ work }) =>
      work?.kind === 'downloading' ? [work.download.view()] : [],
    );
  }

  /** The installed model with the bytes of the registration. */
  modelOf({ digest, id }: Pick<Registration, 'digest' | 'id'>): Model | undefined {
    const { catalog } = this.#parts.store;
    const named = catalog.findModel(id);
    return named?.digest === digest ? named : catalog.models().find((model) => model.digest === digest);
  }

  /** Ends what is being done for a registration that is deleted; it may have been installed at the last moment. */
  async left({ id, digest }: Registration): Promise<void> {
    const { store, wanted } = this.#parts;
    const { work, running } = this.#progress.get(id) ?? {};
    work?.abort();
    await running;
    for (const want of store.wants.list()) if (want.digest === digest) await wanted.callOff(want.name);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { store, locator, registrations } = this.#parts;
    const onChange = (): void => this.#wake.notify();
    registrations.on('change', onChange);
    store.catalog.on('change', onChange);
    store.wants.on('change', onChange);
    const unlisten = locator.onChange(onChange);
    try {
      await store.scanner.firstScan;
      await this.#sweep();
      while (!signal.aborted) {
        await this.#look(signal);
        await this.#wake.wait(LOOK_MS, signal);
      }
    } finally {
      unlisten();
      registrations.off('change', onChange);
      store.catalog.off('change', onChange);
      store.wants.off('change', onChange);
      await Promise.allSettled(this.#running);
    }
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { registrations, clock } = this.#parts;
    for (const [id, { work, digest }] of this.#progress) {
      if (registrations.get(id)?.digest === digest) continue;
      work?.abort();
      if (work === undefined) this.#progress.delete(id);
    }
    const withheld = registrations.withheld(clock.now());
    for (const registration of registrations.list().sort(byUrgency)) {
      // The list is from before what has been waited for meanwhile.
      if (!this.#isWanted(registration)) continue;
      const progress = this.#progressOf(registration);
      if (progress.digest !== registration.digest || progress.work !== undefined) continue;
      if (clock.monotonic() < progress.notBeforeMs) continue;
      try {
        const model = this.modelOf(registration);
        if (model !== undefined) this.#called(registration, model, progress, signal);
        else if (!withheld.has(registration.id)) await this.#missing(registration, progress, signal);
      } catch (error) {
        this.#failed(registration.id, progress, error);
      }
    }
  }

  /** It is here: before it gets the name every byte is read again. */
  #called(registration: Registration, model: Model, progress: Progress, signal: AbortSignal): void {
    const { store, registrations, clock, log } = this.#parts;
    progress.problem = undefined;
    progress.failures = 0;
    if (model.id === registration.id || model.aliases.includes(registration.id)) return;
    this.#start(registration.id, progress, signal, (until, abort) => ({
      work: { kind: 'verifying', abort },
      ended: (async () => {
        const paths = model.files.map(({ path }) => path);
        const files = await store.scanner.verify(paths, until);
        if (!files.every(({ ok }) => ok)) return; // it is corrupt now, and fetched like any other that is missing
        await registrations.noteVerified(registration.digest, clock.now());
        if (!this.#isWanted(registration)) return;
        await store.catalog.name(registration.id, registration.digest);
        log.info({ model: model.id, name: registration.id }, 'model verified and registered');
      })(),
    }));
  }

  #isWanted({ id, digest }: Registration): boolean {
    return this.#parts.registrations.get(id)?.digest === digest;
  }

  async #missing(registration: Registration, progress: Progress, signal: AbortSignal): Promise<void> {
    const { store, locator, wanted } = this.#parts;
    const { id, digest, sourceUrl } = registration;
    // Whoever installs it has verified it: it is called so from the moment it is here.
    if (!progress.isNamed) await store.catalog.name(id, digest);
    progress.isNamed = true;
    const offer = locator.offers.withDigest(digest);
    if (offer !== undefined) {
      await this.#wantOffered(offer.id, registration);
      progress.problem = undefined;
      return;
    }
    if (store.wants.list().some((want) => want.digest === digest && wanted.isActive(want.name))) return;
    if (sourceUrl === undefined) {
      throw new ShoalError('not-found', `no node and no origin offers ${digest}, and no source_url was given`, {
        remedy: 'It is fetched as soon as one does; or register it again with a source_url.',
      });
    }
    if (this.active().length >= (registration.isUrgent === true ? MAX_URGENT_DOWNLOADS : MAX_DOWNLOADS)) return;
    const { modelsDir, origins, bytesPerSecond } = this.#options;
    const place = placeOf(sourceUrl, origins);
    const download = new UrlDownload(
      { registration: { ...registration, sourceUrl }, place, modelsDir, bytesPerSecond },
      this.#parts,
    );
    this.#start(id, progress, signal, (until, abort) => ({
      work: { kind: 'downloading', download, abort },
      ended: download.run(until).then((path) => {
        this.#parts.log.info({ model: id, bytes: download.view().bytesTotal }, 'model fetched from its source_url');
        // Or it would be tried again and again, at once.
        if (this.modelOf(registration) === undefined) throw notAsOffered({ id: path });
      }),
    }));
  }

  /** A want that is there already is only ever made more of. */
  async #wantOffered(id: string, { digest, since, isUrgent }: Registration): Promise<void> {
    const { store, clock } = this.#parts;
    const want = store.wants.get(id);
    const priority = isUrgent === true ? 'high' : (want?.priority ?? 'normal');
    if (want?.digest !== digest || want.priority !== priority) {
      await store.wants.put({ name: id, since: want?.since ?? since, priority, digest });
    }
    if (isUrgent === true && !store.wants.isPinned(id)) await store.wants.pin(id, clock.now());
  }

  #start(
    id: string,
    progress: Progress,
    signal: AbortSignal,
    begin: (until: AbortSignal, abort: () => void) => { work: Work; ended: Promise<void> },
  ): void {
    const { controller, release } = childController(signal);
    const abort = (): void => controller.abort(new DOMException('not registered any more', 'AbortError'));
    const { work, ended } = begin(controller.signal, abort);
    progress.work = work;
    progress.problem = undefined;
    const running = ended
      .then(() => {
        progress.failures = 0;
      })
      .catch((error: unknown) => {
        if (!controller.signal.aborted) this.#failed(id, progress, error);
      })
      .finally(() => {
        release();
        progress.work = undefined;
        progress.running = undefined;
        this.#running.delete(running);
        this.#wake.notify();
      });
    progress.running = running;
    this.#running.add(running);
  }

  #failed(id: string, progress: Progress, error: unknown): void {
    const { clock, log } = this.#parts;
    const problem =
      error instanceof ShoalError ? error : new ShoalError('internal', messageOf(error), { cause: error });
    progress.failures += 1;
    const backOffMs = FIRST_RETRY_MS * 2 ** Math.min(progress.failures - 1, 10);
    // What nobody offers is worth a look whenever somebody new comes.
    const restMs = codeOf(problem) === 'not-found' ? 0 : Math.min(LAST_RETRY_MS, backOffMs);
    progress.notBeforeMs = clock.monotonic() + restMs;
    if (progress.problem?.message !== problem.message) {
      const { code, message, remedy } = problem;
      const err = code === 'internal' ? error : undefined;
      log.warn({ model: id, code, problem: message, remedy, err }, 'registered model is not here yet, trying on');
    }
    progress.problem = problem;
  }

  #progressOf({ id, digest }: Registration): Progress {
    const known = this.#progress.get(id);
    if (known !== undefined) return known;
    const made: Progress = {
      digest,
      work: undefined,
      running: undefined,
      isNamed: false,
      problem: undefined,
      failures: 0,
      notBeforeMs: -Infinity,
    };
    this.#progress.set(id, made);
    return made;
  }

  /** Downloads that a crash left and nobody asks for any more. */
  async #sweep(): Promise<void> {
    const folder = urlDownloadFolder(this.#options.modelsDir);
    const needed = new Set(this.#parts.registrations.list().map(({ digest }) => `${parseDigest(digest)}.part`));
    for (const name of await readdir(folder).catch(() => [])) {
      if (!needed.has(name)) await rm(join(folder, name), { force: true, recursive: true });
    }
  }
}

function byUrgency(a: Registration, b: Registration): number {
  return Number(b.isUrgent ?? false) - Number(a.isUrgent ?? false);
}
