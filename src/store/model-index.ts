import { type ModelMetadata, mergeMetadata } from '../content/metadata.ts';
import { MODEL_MAX_ALIASES, type Model, type ModelFile, makeModel, modelDigest } from '../content/model.ts';
import { aliasesOf, type ModelGroup } from '../content/model-rules.ts';
import { MultiMap } from '../util/multi-map.ts';
import type { KnownFile } from './known-file.ts';
import { PathIndex } from './path-index.ts';

export interface IndexedFiles {
  readonly verified: ReadonlyMap<string, KnownFile>;
  /** Ids of models that are not here whatever lies there. */
  readonly held: { has(id: string): boolean };
  /** Given on registration: by digest, and what each of them belongs to. */
  readonly names: {
    readonly size: number;
    of(digest: string): readonly string[];
    ownerOf(name: string): string | undefined;
  };
}

export interface CatalogChange {
  /** New, or with other files than before. */
  readonly added: readonly Model[];
  /** Ids of models that are not here any more, or not whole. */
  readonly removed: readonly string[];
}

/** Which models the files make up; withdrawals one by one and at once, the rest by grouping what was touched anew. */
export class ModelIndex {
  readonly #paths = new PathIndex();
  readonly #byBucket = new MultiMap<string, Model>();
  readonly #models = new Map<string, Model>();
  readonly #idsByPath = new Map<string, string>();
  readonly #idsByAlias = new MultiMap<string, string>();
  #sorted: readonly Model[] | undefined;

  get size(): number {
    return this.#models.size;
  }

  /** In no order. */
  each(): Iterable<Model> {
    return this.#models.values();
  }

  /** Sorted by id. */
  list(): readonly Model[] {
    this.#sorted ??= [...this.#models.values()].sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
    return this.#sorted;
  }

  /** An alias that two models share leads to neither: a guess would be wrong half of the time. */
  find(idOrAlias: string): Model | undefined {
    const [only, ...others] = this.#idsByAlias.of(idOrAlias);
    return (
      this.#models.get(idOrAlias) ?? (only === undefined || others.length > 0 ? undefined : this.#models.get(only))
    );
  }

  /** What is known of the file has changed. A model that a file without `KnownFile` belongs to is not whole. */
  touch(path: string, { isThere }: { readonly isThere: boolean }): void {
    if (!isThere) {
      this.#paths.remove(path);
      return;
    }
    this.#paths.add(path);
    this.#paths.touch(path);
  }

  /** What is known of the model has changed, beside its files. */
  touchId(id: string): void {
    this.#paths.touchId(id);
  }

  /** A name was given to the digest, or taken from what had it. */
  touchNamed(name: string, digest: string | undefined): void {
    for (const { id, digest: own, aliases } of this.#models.values()) {
      if (own === digest || aliases.includes(name) || aliasesOf(id).includes(name)) this.#paths.touchId(id);
    }
  }

  /** The model that the file belongs to is not here any more. Returns its id if there was one. */
  withdraw(path: string): string | undefined {
    const id = this.#idsByPath.get(path);
    const model = id === undefined ? undefined : this.#models.get(id);
    if (model === undefined) return undefined;
    this.#drop(model);
    this.#paths.touch(path);
    return id;
  }

  /** Costs what the files do that lie together with the touched ones, however many others there are. */
  regroup(files: IndexedFiles): CatalogChange {
    const before = new Map<string, Model>();
    const now = new Map<string, Model>();
    for (const bucket of this.#paths.takeDirty()) {
      for (const old of [...this.#byBucket.of(bucket)]) {
        this.#byBucket.delete(bucket, old);
        // What was withdrawn meanwhile has been told already.
        const model = this.#models.get(old.id);
        if (model !== undefined) before.set(model.id, model);
      }
      for (const group of this.#paths.groups(bucket)) {
        const model = files.held.has(group.id) ? undefined : modelOf(group, files, this.#models.get(group.id));
        if (model === undefined) continue;
        this.#byBucket.add(bucket, model);
        now.set(model.id, model);
      }
    }
    const replaced = [...before.values()].filter((model) => now.get(model.id) !== model);
    const added = [...now.values()].filter((model) => before.get(model.id) !== model);
    for (const model of replaced) this.#drop(model);
    for (const model of added) this.#take(model);
    return { added, removed: replaced.map(({ id }) => id).filter((id) => !now.has(id)) };
  }

  #take(model: Model): void {
    this.#sorted = undefined;
    this.#models.set(model.id, model);
    for (const { path } of model.files) this.#idsByPath.set(path, model.id);
    for (const alias of model.aliases) this.#idsByAlias.add(alias, model.id);
  }

  #drop(model: Model): void {
    this.#sorted = undefined;
    this.#models.delete(model.id);
    for (const { path } of model.files) if (this.#idsByPath.get(path) === model.id) this.#idsByPath.delete(path);
    for (const alias of model.aliases) this.#idsByAlias.delete(alias, model.id);
  }
}

/** Undefined while a file is missing or not verified; the model of before when nothing about it has changed. */
function modelOf(group: ModelGroup, files: IndexedFiles, before: Model | undefined): Model | undefined {
  if (!group.complete) return undefined;
  const own: ModelFile[] = [];
  const metadata: ModelMetadata[] = [];
  for (const path of group.paths) {
    const file = files.verified.get(path);
    if (file === undefined) return undefined;
    own.push({ path, sizeBytes: file.stamp.sizeBytes, sha256: file.sha256, manifest: file.manifest });
    if (file.metadata !== undefined) metadata.push(file.metadata);
  }
  const sameFiles =
    before?.files.length === own.length &&
    own.every((file, at) => before.files[at]?.path === file.path && before.files[at].sha256 === file.sha256);
  const aliases = aliasesIn(group, files.names, () => (sameFiles ? before.digest : modelDigest(group.id, own)));
  const unchanged =
    sameFiles && before.aliases.length === aliases.length && aliases.every((alias, at) => before.aliases[at] === alias);
  return unchanged ? before : makeModel(group.id, aliases, own, mergeMetadata(metadata));
}

/** A name that was given to other bytes is not this model's, even if its id ends like that. */
function aliasesIn(group: ModelGroup, names: IndexedFiles['names'], digestOf: () => string): string[] {
  if (names.size === 0) return group.aliases.slice(0, MODEL_MAX_ALIASES);
  const digest = digestOf();
  const own = group.aliases.filter((alias) => (names.ownerOf(alias) ?? digest) === digest);
  const given = names.of(digest).filter((name) => name !== group.id);
  return [...new Set([...own, ...given])].slice(0, MODEL_MAX_ALIASES);
}
