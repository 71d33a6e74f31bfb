import { formatDigest, parseDigest } from '../content/digest.ts';
import { type Model, parseAlias } from '../content/model.ts';
import type { Store } from '../store/store.ts';
import type { Clock } from '../util/clock.ts';
import { codeOf, ShoalError } from '../util/errors.ts';
import type { Log } from '../util/log.ts';
import { timeGiven } from '../util/time-given.ts';
import type { CatalogEntryView, CatalogService, CatalogState } from './catalog-service.ts';
import type { FetchWantedModels } from './fetch-wanted-models.ts';
import type { FleetMember, FleetMembers } from './fleet-members.ts';
import type { ModelLocator } from './locate-models.ts';
import type { ModelViews } from './model-views.ts';
import type { RegisteredModels } from './registered-models.ts';
import type { Registration, Registrations } from './registrations.ts';
import type { ModelView } from './views.ts';

export interface CatalogEntriesParts {
  readonly store: Store;
  readonly views: ModelViews;
  readonly locator: ModelLocator;
  readonly registrations: Registrations;
  readonly registered: RegisteredModels;
  readonly wanted: Pick<FetchWantedModels, 'callOff'>;
  readonly members: FleetMembers;
  /** Withdraws and deletes; ends the want, too. */
  readonly remove: (id: string) => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
  /** Fires when the daemon ends. */
  readonly signal: AbortSignal;
}

const SOURCE_URL_MAX_LENGTH = 4_096;

/** The catalog as orchestrators know it, put together from what is here, what is registered and what the fleet tells. */
export class CatalogEntries implements CatalogService {
  readonly #parts: CatalogEntriesParts;
  readonly #verifying = new Set<string>();

  constructor(parts: CatalogEntriesParts) {
    this.#parts = parts;
  }

  list(): CatalogEntryView[] {
    const { views, registrations } = this.#parts;
    const entries = new Map(views.list('fleet').map((view) => [view.id, this.#entryOf(view)]));
    for (const registration of registrations.list()) entries.set(registration.id, this.#registeredEntry(registration));
    return [...entries.values()].sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
  }

  get(name: string): CatalogEntryView {
    const { views, registrations } = this.#parts;
    const registration = registrations.get(name);
    return registration === undefined ? this.#entryOf(views.get(name)) : this.#registeredEntry(registration);
  }

  async register(request: { id: string; digest: string; sourceUrl?: string }): Promise<CatalogEntryView> {
    const { store, registrations, registered, clock, log } = this.#parts;
    const id = parseAlias(request.id);
    const digest = formatDigest(parseDigest(request.digest));
    const { sourceUrl } = request;
    if (sourceUrl !== undefined && sourceUrl.length > SOURCE_URL_MAX_LENGTH) {
      throw new ShoalError('invalid', `a source_url has at most ${SOURCE_URL_MAX_LENGTH} characters`);
    }
    const other = store.catalog.findModel(id);
    if (other?.id === id && other.digest !== digest) {
      throw new ShoalError('conflict', `${id} is here with other bytes: ${other.digest}`, {
        remedy: 'Register them under another id, or delete the model first.',
      });
    }
    // What had the name has it no longer from now on.
    if ((registrations.get(id)?.digest ?? digest) !== digest) await store.catalog.name(id, undefined);
    await registrations.put({ id, digest, since: clock.now(), ...(sourceUrl === undefined ? {} : { sourceUrl }) });
    registered.forgive(id);
    log.info({ model: id, digest }, 'model registered');
    return this.get(id);
  }

  async remove(name: string): Promise<void> {
    const { store, registrations, registered, wanted, remove } = this.#parts;
    const registration = registrations.get(name);
    const isWanted = store.wants.get(name) !== undefined;
    const find = (): Model | undefined => {
      if (registration !== undefined) return registered.modelOf(registration);
      const model = store.catalog.findModel(name);
      // A wanted model is not the one that is only called so.
      return isWanted && model?.id !== name ? undefined : model;
    };
    if (registration === undefined && find() === undefined && !isWanted) throw notHere(name);
    if (registration !== undefined) await this.forget(registration);
    if (find() === undefined) {
      if (registration !== undefined) await registered.left(registration);
      else await wanted.callOff(name);
    }
    // What was being put into place has arrived meanwhile.
    const model = find();
    if (model !== undefined) await remove(model.id);
  }

  /** All that is registered of bytes that are to go: what nobody has any more must not be fetched again. */
  async forgetDigest(digest: string): Promise<void> {
    for (const one of this.#parts.registrations.list()) if (one.digest === digest) await this.forget(one);
  }

  async forget({ id }: Registration): Promise<void> {
    await this.#parts.registrations.delete(id);
    await this.#parts.store.catalog.name(id, undefined);
  }

  verify(name: string): CatalogEntryView {
    const { store, registrations, clock, log, signal } = this.#parts;
    const model = store.catalog.findModel(name);
    if (model === undefined) throw notHere(name);
    if (!this.#verifying.has(model.digest)) {
      this.#verifying.add(model.digest);
      const paths = model.files.map(({ path }) => path);
      store.scanner
        .verify(paths, signal)
        .then(async (files) => {
          const ok = files.every((file) => file.ok);
          log.info({ model: model.id, ok }, 'model verified');
          if (ok) await registrations.noteVerified(model.digest, clock.now());
        })
        .catch((error: unknown) => {
          if (!signal.aborted) log.error({ model: model.id, code: codeOf(error), err: error }, 'model not verified');
        })
        .finally(() => this.#verifying.delete(model.digest));
    }
    return this.get(name);
  }

  async setState(name: string, state: CatalogState, deadlineMs: number | undefined): Promise<CatalogEntryView> {
    const { store, registrations, clock } = this.#parts;
    const model = store.catalog.findModel(name);
    if (model === undefined && registrations.get(name) === undefined) throw notHere(name);
    const key = model?.id ?? name;
    if (state === 'Retired') await registrations.retire(key, timeGiven(deadlineMs ?? 0, clock.now()));
    else for (const known of [key, name, ...(model?.aliases ?? [])]) await registrations.activate(known);
    return this.get(name);
  }

  members(): FleetMember[] {
    return this.#parts.members.list();
  }

  #registeredEntry(registration: Registration): CatalogEntryView {
    const { views, locator, registered } = this.#parts;
    const { id, digest, sourceUrl } = registration;
    const model = registered.modelOf(registration);
    const elsewhere = model?.id ?? locator.offers.withDigest(digest)?.id;
    const found = elsewhere === undefined ? undefined : views.get(elsewhere);
    const view = found?.digest === digest ? found : undefined;
    const download = registered.active().find((transfer) => transfer.model === id);
    const problem = model === undefined ? (registered.problemOf(id) ?? view?.problem) : undefined;
    const status = registered.isVerifying(id) ? 'verifying' : download !== undefined ? 'fetching' : undefined;
    return {
      ...this.#entryOf(view ?? unknownModel(id, digest)),
      id,
      aliases: view === undefined ? [] : [view.id, ...view.aliases].filter((name) => name !== id),
      ...(sourceUrl === undefined ? {} : { source_url: sourceUrl }),
      ...(download === undefined ? {} : { size_bytes: download.bytesTotal }),
      ...(status === undefined ? {} : { status }),
      ...(problem === undefined ? {} : { problem }),
    };
  }

  #entryOf(view: ModelView): CatalogEntryView {
    const { registrations, clock } = this.#parts;
    const { id, aliases, digest, sizeBytes, state, nodes, problem } = view;
    const atMs = [id, ...aliases].flatMap((name) => registrations.retirementOf(name) ?? []).sort((a, b) => a - b)[0];
    const isVerifying = digest !== undefined && this.#verifying.has(digest);
    return {
      id,
      aliases,
      ...(digest === undefined ? {} : { digest }),
      size_bytes: sizeBytes,
      state: atMs !== undefined && atMs <= clock.now() ? 'Retired' : 'Active',
      ...(atMs === undefined ? {} : { deadline_ms: atMs }),
      last_verified_ms: (digest === undefined ? undefined : registrations.verifiedAt(digest)) ?? null,
      status: isVerifying ? 'verifying' : state === 'installed' ? 'available' : state,
      nodes,
      ...(problem === undefined ? {} : { problem }),
    };
  }
}

function unknownModel(id: string, digest: string): ModelView {
  return {
    id,
    aliases: [],
    digest,
    sizeBytes: 0,
    files: [],
    state: 'missing',
    pinned: false,
    wanted: true,
    nodes: [],
    origins: [],
  };
}

function notHere(name: string): ShoalError {
  return new ShoalError('not-found', `${name} is not on this node`, { remedy: 'Ask a node that has it.' });
}
