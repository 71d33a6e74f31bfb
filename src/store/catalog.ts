import { EventEmitter } from 'node:events';
import { join } from 'node:path';
import { loadBlake3 } from '../content/blake3.ts';
import { manifestCid } from '../content/cid.ts';
import type { ModelMetadata } from '../content/metadata.ts';
import { MODEL_MAX_ALIASES, type Model, type ModelFile, makeModel, parseAlias } from '../content/model.ts';
import { groupModels, type ModelGroup } from '../content/model-rules.ts';
import { ShoalError } from '../util/errors.ts';
import type { Database, Table } from './database.ts';
import { decodeStamp, encodeStamp, type FileStamp } from './file-stamp.ts';

/** A file as it was when its bytes were last hashed. */
export interface KnownFile {
  readonly stamp: FileStamp;
  readonly sha256: string;
  readonly manifest: string;
  readonly metadata?: ModelMetadata;
}

export interface CatalogChange {
  /** New, or with other files than before. */
  readonly added: readonly Model[];
  /** Ids of models that are not here any more, or not whole. */
  readonly removed: readonly string[];
}

interface StoredFile {
  readonly stamp: string;
  readonly sha256: string;
  readonly manifest: string;
  readonly metadata?: ModelMetadata;
}

const WRITE_BATCH = 1000;
const ADDITIONS_WAIT_MS = 20;

/**
 * What this disk holds, by model and by blob: an index over files that lie where programs expect them. A model is here
 * only while every one of its files is verified and was unchanged when we last looked; a file that changes leaves at
 * once and comes back when it has been hashed again.
 *
 * Invariant: what is withdrawn (`suspend`, `removeFile`, `hold`) is withdrawn, `change` emitted, before the call
 * returns its control, so that nothing is served or reported after it.
 */
export class Catalog extends EventEmitter<{ change: [CatalogChange] }> implements AsyncDisposable {
  readonly #modelsDir: string;
  readonly #fileTable: Table<StoredFile>;
  readonly #manifestTable: Table<Uint8Array>;
  readonly #aliasTable: Table<string[]>;
  readonly #holdTable: Table<string[]>;
  /** Verified and believed unchanged. */
  readonly #files = new Map<string, KnownFile>();
  /** Hashed once, not looked at since the start. */
  readonly #remembered = new Map<string, KnownFile>();
  /** There, but not verified: being written, hashed, or damaged. */
  readonly #unverified = new Map<string, UnverifiedReason>();
  readonly #pathsBySha = new Map<string, Set<string>>();
  readonly #aliases = new Map<string, readonly string[]>();
  /** Ids of models that are being put together from several files; not here until all are in place. */
  readonly #held = new Map<string, readonly string[]>();
  #models = new Map<string, Model>();
  #idsByAlias = new Map<string, string>();
  #batchDepth = 0;
  #dirty = false;
  #timer: NodeJS.Timeout | undefined;

  private constructor(modelsDir: string, database: Database) {
    super();
    this.#modelsDir = modelsDir;
    this.#fileTable = database.json('files');
    this.#manifestTable = database.bytes('manifests');
    this.#aliasTable = database.json('aliases');
    this.#holdTable = database.json('holds');
  }

  /** Knows what was hashed before; nothing counts as here until `confirm` or `putFile` says that it still is. */
  static async open(options: { modelsDir: string }, parts: { database: Database }): Promise<Catalog> {
    const catalog = new Catalog(options.modelsDir, parts.database);
    for await (const [path, stored] of catalog.#fileTable.iterator()) {
      const stamp = decodeStamp(stored.stamp);
      if (stamp !== undefined) catalog.#remembered.set(path, { ...stored, stamp });
    }
    for await (const [id, aliases] of catalog.#aliasTable.iterator()) catalog.#aliases.set(id, aliases);
    for await (const [id, paths] of catalog.#holdTable.iterator()) catalog.#held.set(id, paths);
    return catalog;
  }

  models(): readonly Model[] {
    this.#rebuildIfDirty();
    return [...this.#models.values()];
  }

  findModel(idOrAlias: string): Model | undefined {
    this.#rebuildIfDirty();
    return this.#models.get(idOrAlias) ?? this.#models.get(this.#idsByAlias.get(idOrAlias) ?? '');
  }

  /** A verified file that holds the blob; its stamp must be held against the file before and after it is read. */
  locateBlob(sha256: string): { path: string; relativePath: string; stamp: FileStamp; manifest: string } | undefined {
    const [relativePath] = this.#pathsBySha.get(sha256) ?? [];
    const file = relativePath === undefined ? undefined : this.#files.get(relativePath);
    if (relativePath === undefined || file === undefined) return undefined;
    return { path: join(this.#modelsDir, relativePath), relativePath, stamp: file.stamp, manifest: file.manifest };
  }

  fileAt(path: string): KnownFile | undefined {
    return this.#files.get(path);
  }

  /** What the file was when it was last hashed, also before this start; for comparing stamps. */
  rememberedAt(path: string): KnownFile | undefined {
    return this.#files.get(path) ?? this.#remembered.get(path);
  }

  rememberedPaths(): string[] {
    return [...new Set([...this.#files.keys(), ...this.#remembered.keys()])];
  }

  unverified(): ReadonlyMap<string, UnverifiedReason> {
    return this.#unverified;
  }

  async manifestBytes(cid: string): Promise<Uint8Array | undefined> {
    return this.#manifestTable.get(cid);
  }

  async manifestOf(sha256: string): Promise<{ cid: string; bytes: Uint8Array } | undefined> {
    const cid = this.locateBlob(sha256)?.manifest;
    const bytes = cid === undefined ? undefined : await this.manifestBytes(cid);
    return cid === undefined || bytes === undefined ? undefined : { cid, bytes };
  }

  async putManifest(bytes: Uint8Array): Promise<string> {
    const cid = manifestCid(bytes, await loadBlake3());
    await this.#manifestTable.put(cid, bytes);
    return cid;
  }

  /** The file was hashed just now. Its manifest must have been put before. */
  async putFile(path: string, file: KnownFile): Promise<void> {
    const { stamp, ...rest } = file;
    await this.#fileTable.put(path, { ...rest, stamp: encodeStamp(stamp) });
    this.#include(path, file);
    this.#rebuildSoon();
  }

  /** The file is as it was when it was hashed, says its stamp. Returns false for a file that was never hashed. */
  confirm(path: string): boolean {
    const file = this.#remembered.get(path);
    if (file !== undefined) this.#include(path, file);
    else if (!this.#files.has(path)) return false;
    this.#rebuildSoon();
    return true;
  }

  /** The file is there, but its bytes are not known (any more): it counts as absent until it has been hashed. */
  suspend(path: string, reason: UnverifiedReason): void {
    const file = this.#files.get(path);
    if (file !== undefined) {
      this.#exclude(path, file);
      this.#remembered.set(path, file);
    }
    this.#unverified.set(path, reason);
    this.#rebuild();
  }

  async removeFile(path: string): Promise<void> {
    const file = this.#files.get(path);
    if (file !== undefined) this.#exclude(path, file);
    this.#remembered.delete(path);
    this.#unverified.delete(path);
    this.#rebuild();
    await this.#fileTable.del(path);
  }

  /** Many changes become one `change`. */
  async batch<T>(work: () => Promise<T>): Promise<T> {
    this.#batchDepth += 1;
    try {
      return await work();
    } finally {
      this.#batchDepth -= 1;
      this.#rebuildIfDirty();
    }
  }

  /** Names given on registration, beside those that follow from the id. @throws ShoalError `invalid`, `conflict` */
  async addAliases(id: string, aliases: readonly string[]): Promise<void> {
    const all = [...new Set([...(this.#aliases.get(id) ?? []), ...aliases.map(parseAlias)])];
    if (all.length > MODEL_MAX_ALIASES - 1) throw new ShoalError('conflict', `${id} has enough aliases already`);
    await this.#aliasTable.put(id, all);
    this.#aliases.set(id, all);
    this.#rebuild();
  }

  /** From now on until `release` the model is not here, whatever lies there; remembered over a crash. */
  async hold(id: string, paths: readonly string[]): Promise<void> {
    await this.#holdTable.put(id, [...paths]);
    this.#held.set(id, paths);
    this.#rebuild();
  }

  async release(id: string): Promise<void> {
    await this.#holdTable.del(id);
    this.#held.delete(id);
    this.#rebuild();
  }

  heldModels(): string[] {
    return [...this.#held.keys()];
  }

  /** Forgets manifests that no file and none of `keep` needs. */
  async sweepManifests(keep: ReadonlySet<string>): Promise<number> {
    const needed = new Set(keep);
    for (const file of [...this.#files.values(), ...this.#remembered.values()]) needed.add(file.manifest);
    let stale: string[] = [];
    let swept = 0;
    for await (const cid of this.#manifestTable.keys()) {
      if (!needed.has(cid)) stale.push(cid);
      if (stale.length < WRITE_BATCH) continue;
      swept += stale.length;
      await this.#manifestTable.batch(stale.map((key) => ({ type: 'del', key })));
      stale = [];
    }
    await this.#manifestTable.batch(stale.map((key) => ({ type: 'del', key })));
    return swept + stale.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer);
    return Promise.resolve();
  }

  #include(path: string, file: KnownFile): void {
    const before = this.#files.get(path);
    if (before !== undefined) this.#exclude(path, before);
    this.#files.set(path, file);
    this.#remembered.delete(path);
    this.#unverified.delete(path);
    const paths = this.#pathsBySha.get(file.sha256);
    if (paths === undefined) this.#pathsBySha.set(file.sha256, new Set([path]));
    else paths.add(path);
  }

  #exclude(path: string, file: KnownFile): void {
    this.#files.delete(path);
    const paths = this.#pathsBySha.get(file.sha256);
    paths?.delete(path);
    if (paths?.size === 0) this.#pathsBySha.delete(file.sha256);
  }

  /** What is new may wait a moment, so that a thousand files hashed in a row are not grouped a thousand times. */
  #rebuildSoon(): void {
    this.#dirty = true;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#rebuildIfDirty();
    }, ADDITIONS_WAIT_MS);
  }

  #rebuildIfDirty(): void {
    if (this.#dirty && this.#batchDepth === 0) this.#rebuild();
  }

  /** Grouping all paths anew costs a few milliseconds for 10,000 models and cannot be wrong. */
  #rebuild(): void {
    if (this.#batchDepth > 0) {
      this.#dirty = true;
      return;
    }
    this.#dirty = false;
    const before = this.#models;
    const now = new Map<string, Model>();
    const heldPaths = new Set([...this.#held.values()].flat());
    const visible = [...this.#files.keys(), ...this.#unverified.keys()].filter((path) => !heldPaths.has(path));
    for (const group of groupModels(visible)) {
      const model = this.#held.has(group.id) ? undefined : this.#modelOf(group, before.get(group.id));
      if (model !== undefined) now.set(model.id, model);
    }
    this.#models = now;
    this.#idsByAlias = aliasIndex(now.values());
    const added = [...now.values()].filter((model) => before.get(model.id) !== model);
    const removed = [...before.keys()].filter((id) => !now.has(id));
    if (added.length > 0 || removed.length > 0) this.emit('change', { added, removed });
  }

  /** Undefined while a file is missing or not verified; the model of before when nothing about it has changed. */
  #modelOf(group: ModelGroup, before: Model | undefined): Model | undefined {
    if (!group.complete) return undefined;
    const files: ModelFile[] = [];
    let metadata: ModelMetadata | undefined;
    for (const path of group.paths) {
      const file = this.#files.get(path);
      if (file === undefined) return undefined;
      files.push({ path, sizeBytes: file.stamp.sizeBytes, sha256: file.sha256, manifest: file.manifest });
      metadata ??= file.metadata;
    }
    const aliases = [...new Set([...group.aliases, ...(this.#aliases.get(group.id) ?? [])])];
    const unchanged =
      before?.files.length === files.length &&
      before.aliases.length === aliases.length &&
      files.every((file, at) => before.files[at]?.path === file.path && before.files[at].sha256 === file.sha256);
    return unchanged ? before : makeModel(group.id, aliases, files, metadata);
  }
}

export type UnverifiedReason = 'settling' | 'hashing' | 'corrupt';

/** An alias that two models share leads to neither: a guess would be wrong half of the time. */
function aliasIndex(models: Iterable<Model>): Map<string, string> {
  const ids = new Map<string, string>();
  const shared = new Set<string>();
  for (const model of models) {
    for (const alias of model.aliases) {
      if (ids.has(alias)) shared.add(alias);
      else ids.set(alias, model.id);
    }
  }
  for (const alias of shared) ids.delete(alias);
  return ids;
}
