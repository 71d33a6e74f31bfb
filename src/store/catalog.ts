import { EventEmitter } from 'node:events';
import { join } from 'node:path';
import type { Model } from '../content/model.ts';
import type { Clock } from '../util/clock.ts';
import type { Log } from '../util/log.ts';
import { MultiMap } from '../util/multi-map.ts';
import { type CatalogTables, openCatalogTables } from './catalog-tables.ts';
import type { Database } from './database.ts';
import type { FileStamp } from './file-stamp.ts';
import type { KnownFile, RememberedFile } from './known-file.ts';
import { type CatalogChange, ModelIndex } from './model-index.ts';

export type { KnownFile } from './known-file.ts';
export type { CatalogChange } from './model-index.ts';

/** Why a file that is there does not count: `settling` may still be written, `corrupt` has wrong bytes or none that can be read. */
export type PendingReason = 'settling' | 'hashing' | 'corrupt';

export interface CatalogParts {
  readonly database: Database;
  readonly log: Log;
  readonly clock: Clock;
}

const ADDITIONS_WAIT_MS = 20;
/** Grouping may take this share of the main thread, however many files come in. */
const GROUPING_SHARE = 0.2;
/** How long a file may be gone (a disk that is not mounted) and come back without being hashed again. */
const LOST_KEPT_MS = 14 * 24 * 3600_000;

/**
 * What this disk holds, by model and by blob: an index over files that lie where programs expect them. A model is here
 * only while every one of its files is verified and was unchanged when we last looked; a file that changes leaves at
 * once and comes back when it has been hashed again.
 *
 * Invariant: what is withdrawn (`suspend`, `lose`, `removeFile`, `hold`) is withdrawn, `change` emitted, when the call
 * returns its control. What is added appears some milliseconds later, many at a time, or at `refresh`.
 */
export class Catalog extends EventEmitter<{ change: [CatalogChange] }> {
  readonly #modelsDir: string;
  readonly #clock: Clock;
  readonly #kept: CatalogTables;
  /** Verified and believed unchanged. */
  readonly #files = new Map<string, KnownFile>();
  /** Hashed once; not looked at since the start, or different now, or gone. */
  readonly #remembered: Map<string, RememberedFile>;
  readonly #pending = new Map<string, PendingReason>();
  /** Paths of the files that hold a blob. */
  readonly #blobs = new MultiMap<string, string>();
  readonly #index = new ModelIndex();
  #dirty = false;
  #groupingMs = 0;
  #timer: NodeJS.Timeout | undefined;

  private constructor(modelsDir: string, clock: Clock, kept: CatalogTables) {
    super();
    this.#modelsDir = modelsDir;
    this.#clock = clock;
    this.#kept = kept;
    this.#remembered = kept.remembered;
  }

  /** Knows what was hashed before; nothing counts as here until `confirm` or `putFile` says that it still is. */
  static async open(options: { readonly modelsDir: string }, parts: CatalogParts): Promise<Catalog> {
    const catalog = new Catalog(options.modelsDir, parts.clock, await openCatalogTables(parts));
    const oldest = parts.clock.now() - LOST_KEPT_MS;
    for (const [path, { lostAt }] of catalog.#remembered)
      if (lostAt !== undefined && lostAt < oldest) await catalog.removeFile(path);
    // What is not looked at yet may be there: no directory is announced while half of it has been looked at.
    for (const path of catalog.#remembered.keys()) catalog.#touch(path);
    return catalog;
  }

  /** Only installed, verified and unchanged ones. */
  models(): readonly Model[] {
    return this.#index.list();
  }

  /** In no order. */
  eachModel(): Iterable<Model> {
    return this.#index.each();
  }

  get modelCount(): number {
    return this.#index.size;
  }

  findModel(idOrAlias: string): Model | undefined {
    return this.#index.find(idOrAlias);
  }

  /** A verified file that holds the blob; its stamp must be held against the file before and after it is read. */
  locateBlob(sha256: string): { path: string; relativePath: string; stamp: FileStamp; manifest: string } | undefined {
    const [relativePath] = this.#blobs.of(sha256);
    const file = relativePath === undefined ? undefined : this.#files.get(relativePath);
    if (relativePath === undefined || file === undefined) return undefined;
    return { path: join(this.#modelsDir, relativePath), relativePath, stamp: file.stamp, manifest: file.manifest };
  }

  /** All verified files with these bytes. */
  pathsOf(sha256: string): string[] {
    return [...this.#blobs.of(sha256)];
  }

  fileAt(path: string): KnownFile | undefined {
    return this.#files.get(path);
  }

  /** What the file was when it was last hashed, also before this start. */
  rememberedAt(path: string): RememberedFile | undefined {
    return this.#files.get(path) ?? this.#remembered.get(path);
  }

  /** Everything that was there when we last looked. */
  presentPaths(): string[] {
    const present = [...this.#files.keys(), ...this.#pending.keys()];
    for (const [path, file] of this.#remembered) {
      if (file.lostAt === undefined && !this.#pending.has(path)) present.push(path);
    }
    return present;
  }

  /** True for a file that was there when we last looked. */
  isPresent(path: string): boolean {
    if (this.#files.has(path) || this.#pending.has(path)) return true;
    const file = this.#remembered.get(path);
    return file !== undefined && file.lostAt === undefined;
  }

  /** Files that are there but do not count, and why. */
  unverified(): ReadonlyMap<string, PendingReason> {
    return this.#pending;
  }

  async manifestBytes(cid: string): Promise<Uint8Array | undefined> {
    return this.#kept.manifests.get(cid);
  }

  async manifestOf(sha256: string): Promise<{ cid: string; bytes: Uint8Array } | undefined> {
    const cid = this.locateBlob(sha256)?.manifest;
    const bytes = await this.manifestBytes(cid ?? '');
    return cid === undefined || bytes === undefined ? undefined : { cid, bytes };
  }

  async putManifest(bytes: Uint8Array): Promise<string> {
    return this.#kept.manifests.put(bytes);
  }

  /** The file was hashed just now. Its manifest must have been put before. */
  async putFile(path: string, file: KnownFile): Promise<void> {
    const { stamp, sha256, manifest, metadata } = file;
    const known = { stamp, sha256, manifest, ...(metadata === undefined ? {} : { metadata }) };
    this.#include(path, known);
    await this.#kept.table.put(path, known);
  }

  /** The file is as it was when it was hashed, says its stamp. Returns false for one that was never hashed. */
  confirm(path: string): boolean {
    const file = this.#remembered.get(path);
    if (file === undefined) return this.#files.has(path);
    const { lostAt, damaged, ...known } = file;
    if (damaged === true) {
      // The damage that a verification found does not heal by looking at the stamp.
      this.#pending.set(path, 'corrupt');
      this.#touch(path);
      return true;
    }
    this.#include(path, known);
    if (lostAt !== undefined) void this.#kept.table.put(path, known);
    return true;
  }

  /** The file is there, but its bytes are not known (any more): it counts as absent until it has been hashed. */
  suspend(path: string, reason: PendingReason): void {
    const isNew = !this.#pending.has(path);
    this.#pending.set(path, reason);
    const file = this.#files.get(path);
    if (file !== undefined) {
      this.#exclude(path, file);
      this.#remembered.set(path, file);
    }
    if (!isNew && file === undefined) return;
    this.#touch(path);
    // Also for a file nobody knew: a directory model with a new file in it is not what it was.
    this.#regroupSoon();
  }

  /** Its bytes are wrong although nobody has written to it; remembered over restarts, until it is replaced. */
  async damaged(path: string): Promise<void> {
    this.suspend(path, 'corrupt');
    const file = this.#remembered.get(path);
    if (file === undefined) return;
    this.#remembered.set(path, { ...file, damaged: true });
    await this.#kept.table.put(path, { ...file, damaged: true });
  }

  /** The file is not there now. Should it come back as it was (a disk is mounted again), it is not hashed again. */
  async lose(path: string): Promise<void> {
    const file = this.#files.get(path) ?? this.#remembered.get(path);
    this.#withdraw(path);
    if (file === undefined) return;
    const lost = { ...file, lostAt: this.#clock.now() };
    this.#remembered.set(path, lost);
    this.#touch(path);
    await this.#kept.table.put(path, lost);
  }

  /** Deleted by us: nothing of it is kept. */
  async removeFile(path: string): Promise<void> {
    this.#withdraw(path);
    this.#remembered.delete(path);
    this.#touch(path);
    await this.#kept.table.delete(path);
  }

  /** Whatever has the digest is called so, too, and nothing else; undefined ends that. @throws ShoalError `invalid`, `conflict` */
  async name(name: string, digest: string | undefined): Promise<void> {
    await (digest === undefined ? this.#kept.names.take(name) : this.#kept.names.give(name, digest));
    this.#index.touchNamed(name, digest);
    this.refresh();
  }

  /** From now on until `release` the model is not here, whatever lies there; remembered over a crash. */
  async hold(id: string, paths: readonly string[]): Promise<void> {
    const held = this.#kept.held.add(id, paths);
    for (const path of [...paths, ...(this.#index.find(id)?.files ?? []).map((file) => file.path)]) {
      this.#touch(path);
      this.#emitRemoved(this.#index.withdraw(path));
    }
    this.#regroupSoon();
    await held;
  }

  async release(id: string): Promise<void> {
    const paths = this.#kept.held.pathsOf(id) ?? [];
    const released = this.#kept.held.remove(id);
    for (const path of paths) this.#touch(path);
    this.#index.touchId(id);
    this.#regroupSoon();
    await released;
  }

  heldModels(): string[] {
    return this.#kept.held.ids();
  }

  /** Groups what has come in now, instead of some milliseconds later. */
  refresh(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#dirty = false;
    const startMs = performance.now();
    const { held, names } = this.#kept;
    const change = this.#index.regroup({ verified: this.#files, held, names });
    this.#groupingMs = performance.now() - startMs;
    if (change.added.length > 0 || change.removed.length > 0) this.emit('change', change);
  }

  /** Forgets manifests that no file and none of `keep` needs. */
  async sweepManifests(keep: ReadonlySet<string>): Promise<number> {
    const needed = new Set(keep);
    for (const file of [...this.#files.values(), ...this.#remembered.values()]) needed.add(file.manifest);
    return this.#kept.manifests.sweep(needed);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer);
    await this.#kept.table.flushed();
  }

  #include(path: string, file: KnownFile): void {
    const before = this.#files.get(path);
    if (before !== undefined && before.sha256 !== file.sha256) this.#exclude(path, before);
    this.#files.set(path, file);
    this.#remembered.delete(path);
    this.#pending.delete(path);
    this.#blobs.add(file.sha256, path);
    this.#touch(path);
    this.#regroupSoon();
  }

  #withdraw(path: string): void {
    const file = this.#files.get(path);
    if (file !== undefined) this.#exclude(path, file);
    if (this.#pending.delete(path) || file !== undefined) this.#regroupSoon();
  }

  #exclude(path: string, file: KnownFile): void {
    this.#files.delete(path);
    this.#blobs.delete(file.sha256, path);
    this.#emitRemoved(this.#index.withdraw(path));
  }

  /** What is known of the path has changed. */
  #touch(path: string): void {
    this.#index.touch(path, { isThere: this.isPresent(path) && !this.#kept.held.hasPath(path) });
  }

  #emitRemoved(id: string | undefined): void {
    if (id !== undefined) this.emit('change', { added: [], removed: [id] });
  }

  #regroupSoon(): void {
    if (this.#dirty) return;
    this.#dirty = true;
    this.#timer = setTimeout(() => this.refresh(), Math.max(ADDITIONS_WAIT_MS, this.#groupingMs / GROUPING_SHARE));
  }
}
