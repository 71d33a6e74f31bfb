import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { loadBlake3 } from '../../src/content/blake3.ts';
import { manifestCid } from '../../src/content/cid.ts';
import { encodeManifest, type Manifest } from '../../src/content/manifest.ts';
import { geometryOf, pieceLength, pieceOffset } from '../../src/content/piece-geometry.ts';
import type { CatalogChange } from '../../src/store/catalog.ts';
import { Folders } from '../../src/store/folders.ts';
import { InstallJournal } from '../../src/store/install-journal.ts';
import type { InstallerParts, StagedFile } from '../../src/store/installer.ts';
import { openPartial } from '../../src/store/partial-file.ts';
import { Store, type StoreOptions } from '../../src/store/store.ts';
import { systemClock } from '../../src/util/clock.ts';
import { silentLog } from '../../src/util/log.ts';
import { Metrics } from '../../src/util/metrics.ts';
import { eventually } from '../support/wait.ts';

export const never = new AbortController().signal;

const blake3 = await loadBlake3();

/** `inMemory` for tests with so many files that a busy disk would be what is measured. */
export async function temporaryFolder(
  options: { inMemory?: boolean } = {},
): Promise<AsyncDisposable & { readonly path: string }> {
  const parent = options.inMemory === true && existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
  const path = await mkdtemp(join(parent, 'shoal-store-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

export function sha256Of(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export function manifestFor(bytes: Uint8Array): { manifest: Manifest; bytes: Uint8Array; cid: string } {
  const geometry = geometryOf(bytes.length);
  const pieceHashes = new Uint8Array(geometry.pieceCount * 32);
  for (let index = 0; index < geometry.pieceCount; index += 1) {
    const at = pieceOffset(geometry, index);
    pieceHashes.set(blake3.hash(bytes.subarray(at, at + pieceLength(geometry, index))), index * 32);
  }
  const { sizeBytes, pieceSizeBytes } = geometry;
  const manifest = { sizeBytes, pieceSizeBytes, sha256: sha256Of(bytes), pieceHashes };
  const encoded = encodeManifest(manifest);
  return { manifest, bytes: encoded, cid: manifestCid(encoded, blake3) };
}

export interface TestStoreOptions extends Partial<StoreOptions> {
  readonly root: string;
}

/** A store over `<root>/models` and `<root>/data`, with its scanner running. */
export class TestStore implements AsyncDisposable {
  readonly store: Store;
  readonly modelsDir: string;
  readonly changes: CatalogChange[] = [];
  readonly #metrics: Metrics;
  readonly #controller = new AbortController();
  #running: Promise<void> | undefined;

  private constructor(store: Store, modelsDir: string, metrics: Metrics) {
    this.store = store;
    this.modelsDir = modelsDir;
    this.#metrics = metrics;
    store.catalog.on('change', (change) => this.changes.push(change));
  }

  /** Without its scanner. */
  static async open({ root, ...options }: TestStoreOptions): Promise<TestStore> {
    const modelsDir = join(root, 'models');
    const metrics = new Metrics();
    const store = await Store.open(
      { modelsDir, dataDir: join(root, 'data'), settleMs: 60, rescanMs: 60_000, hashWorkers: 1, ...options },
      { log: silentLog, metrics, clock: systemClock },
    );
    return new TestStore(store, modelsDir, metrics);
  }

  static async start(options: TestStoreOptions): Promise<TestStore> {
    const made = await TestStore.open(options);
    made.run();
    await made.store.scanner.firstScan;
    return made;
  }

  run(): void {
    this.#running = this.store.scanner.run(this.#controller.signal).catch(() => undefined);
  }

  ids(): string[] {
    return this.store.catalog.models().map(({ id }) => id);
  }

  async write(path: string, content: Uint8Array | string): Promise<string> {
    const absolute = join(this.modelsDir, path);
    await mkdir(dirname(absolute), { recursive: true });
    await writeFile(absolute, content);
    return absolute;
  }

  async seesModels(...ids: string[]): Promise<void> {
    const expected = ids.sort().join('\n');
    await eventually(
      `models ${ids.join(', ')} (now ${this.ids().join(', ')})`,
      () => this.ids().join('\n') === expected,
      { timeoutMs: 8_000, everyMs: 5 },
    );
  }

  /** Nothing is settling or being hashed any more. */
  async atRest(): Promise<void> {
    await eventually('nothing is pending', () => this.store.scanner.pending === 0, { everyMs: 5 });
    this.store.catalog.refresh();
  }

  async hashedBytes(): Promise<number> {
    return Number(/^shoal_hashed_bytes_total (\d+)/m.exec(await this.#metrics.text())?.[1] ?? 0);
  }

  /** A complete and verified partial, as a download leaves it. */
  async stage(path: string, bytes: Uint8Array): Promise<StagedFile> {
    const { manifest, bytes: manifestBytes, cid } = manifestFor(bytes);
    const { sha256 } = manifest;
    await this.store.catalog.putManifest(manifestBytes);
    const partial = await this.store.partials.create({ sha256, sizeBytes: bytes.length, manifest: cid });
    const file = openPartial(partial.dir, sha256, bytes.length);
    file.write(bytes, 0);
    for (let index = 0; index < geometryOf(bytes.length).pieceCount; index += 1) file.markHave(index);
    file.close();
    return { path, sha256, manifest: cid, from: partial.path };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#controller.abort(new DOMException('the test is over', 'AbortError'));
    await this.#running;
    await this.store[Symbol.asyncDispose]();
  }
}

export function installerPartsOf({ store }: TestStore): InstallerParts {
  const { catalog, claims, partials, hasher, database } = store;
  return {
    catalog,
    claims,
    partials,
    hasher,
    folders: new Folders({ modelsDir: dirname(dirname(partials.dir)) }, { database }),
    journal: new InstallJournal({ database }),
    log: silentLog,
  };
}

/** A model of three files, one of them below a folder of its own. */
export const BUNDLE = {
  id: 'bundle',
  files: new Map([
    ['bundle/config.json', '{"model": true}'],
    ['bundle/unet/w.ckpt', 'u'.repeat(300_000)],
    ['bundle/w.ckpt', 'w'.repeat(1000)],
  ]),
};

export async function stagedFiles(made: TestStore): Promise<{ id: string; staged: StagedFile[] }> {
  const staged: StagedFile[] = [];
  for (const [path, text] of BUNDLE.files) {
    const sha256 = sha256Of(text);
    const isHere = made.store.catalog.fileAt(path)?.sha256 === sha256;
    staged.push(
      isHere
        ? { path, sha256, manifest: manifestFor(Buffer.from(text)).cid }
        : await made.stage(path, Buffer.from(text)),
    );
  }
  return { id: BUNDLE.id, staged };
}
