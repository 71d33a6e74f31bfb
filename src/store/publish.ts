import { lstat, mkdir, open, readdir, readFile, realpath, rename, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { type Model, makeModel } from '../content/model.ts';
import { groupModels } from '../content/model-rules.ts';
import { codeOf, ShoalError } from '../util/errors.ts';
import { createLog } from '../util/log.ts';
import { Metrics } from '../util/metrics.ts';
import { type FileStamp, sameStamp, stampOf } from './file-stamp.ts';
import { Hasher } from './hasher.ts';
import { decodeFile, encodeFile, type KnownFile, type StoredFile } from './known-file.ts';
import { STATE_FOLDER } from './partial-store.ts';
import { formatIndex, INDEX_PATH, manifestPath } from './published-index.ts';
import { canBeNamed } from './scan-rules.ts';

export interface PublishOptions {
  readonly hashWorkers?: number;
  readonly onProgress?: (progress: PublishProgress) => void;
}

export interface PublishProgress {
  readonly path: string;
  readonly bytesTotal: number;
  readonly bytesDone: number;
  readonly bytesPerSecond: number;
}

export interface Published {
  readonly models: number;
  readonly bytes: number;
  /** The others had not changed since the last time. */
  readonly hashedFiles: number;
}

const STAMPS_PATH = '.shoal/stamps.json';
/** Two of them read a disk at its full rate; a NAS is not asked for more at a time. */
const DEFAULT_WORKERS = 2;

/**
 * Makes a directory a verified origin: hashes what has changed and writes `.shoal/index.json` and
 * `.shoal/manifests/<cid>`. The index is replaced last and at once, so that whoever reads it meanwhile finds every
 * manifest that it names; what nothing names any more is removed after that.
 * @throws ShoalError `not-found` for no directory; `changed`, `verification-failed` or `internal` when a file was being
 *   written, is not whole or cannot be read: it is left out, everything else is published
 */
export async function publish(directory: string, options: PublishOptions, signal: AbortSignal): Promise<Published> {
  const root = await realDirectory(directory);
  const stamps = await modelStamps(root, signal);
  const before = await readStamps(root);
  const hashed = new Map<string, KnownFile>();
  const changed: string[] = [];
  for (const [path, stamp] of stamps) {
    const known = before.get(path);
    if (known !== undefined && sameStamp(known.stamp, stamp)) hashed.set(path, known);
    else changed.push(path);
  }
  await mkdir(join(root, STATE_FOLDER, 'manifests'), { recursive: true });
  const failures = await hashAll(root, changed, { stamps, hashed, options }, signal);
  const models = modelsOf(hashed, failures);
  await writeIfChanged(join(root, INDEX_PATH), formatIndex(models));
  await sweep(root, new Set([...hashed.values()].map(({ manifest }) => manifest)));
  throwFirst(failures);
  const bytes = models.reduce((sum, model) => sum + model.sizeBytes, 0);
  return { models: models.length, bytes, hashedFiles: changed.length };
}

/** Returns why files could not be hashed. What was hashed is kept, also when interrupted, and not hashed again. */
async function hashAll(
  root: string,
  changed: readonly string[],
  work: { stamps: ReadonlyMap<string, FileStamp>; hashed: Map<string, KnownFile>; options: PublishOptions },
  signal: AbortSignal,
): Promise<Map<string, Error>> {
  const { stamps, hashed, options } = work;
  const bytesTotal = changed.reduce((sum, path) => sum + (stamps.get(path)?.sizeBytes ?? 0), 0);
  const startMs = performance.now();
  let bytesDone = 0;
  const workers = options.hashWorkers ?? Math.min(DEFAULT_WORKERS, availableParallelism());
  await using hasher = new Hasher({ workers }, { log: createLog({ level: 'error' }), metrics: new Metrics() });
  const hashOne = async (path: string): Promise<void> => {
    const file = await hasher.hashFile(join(root, path), signal, (bytes) => {
      bytesDone += bytes;
      const bytesPerSecond = bytesDone / Math.max(0.001, (performance.now() - startMs) / 1000);
      options.onProgress?.({ path, bytesTotal, bytesDone, bytesPerSecond });
    });
    await writeDurably(join(root, manifestPath(file.manifestCid)), file.manifestBytes);
    const { stamp, sha256, manifestCid: manifest, metadata } = file;
    hashed.set(path, { stamp, sha256, manifest, ...(metadata === undefined ? {} : { metadata }) });
  };
  const queue = [...changed];
  const failures = new Map<string, Error>();
  const runner = async (): Promise<void> => {
    for (let path = queue.shift(); path !== undefined; path = queue.shift()) {
      try {
        await hashOne(path);
      } catch (error) {
        if (signal.aborted) throw error;
        if (codeOf(error) === 'not-found') continue; // deleted meanwhile
        failures.set(path, error instanceof Error ? error : new Error(String(error)));
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: workers }, runner));
  } finally {
    await writeStamps(root, hashed);
  }
  return failures;
}

function throwFirst(failures: ReadonlyMap<string, Error>): void {
  const [first] = failures.values();
  if (!(first instanceof ShoalError)) {
    if (first !== undefined) throw first;
    return;
  }
  const others = failures.size > 1 ? ` (and ${failures.size - 1} more)` : '';
  throw new ShoalError(first.code, `${first.message}${others}; everything else is published`, {
    cause: first,
    remedy: `${first.remedy ?? 'Wait until it is written.'} Then run "shoal publish" again.`,
    fields: { paths: [...failures.keys()] },
  });
}

async function realDirectory(directory: string): Promise<string> {
  const root = await realpath(directory).catch(() => undefined);
  if (root !== undefined && (await lstat(root)).isDirectory()) return root;
  throw new ShoalError('not-found', `${directory} is no directory`);
}

async function modelStamps(root: string, signal: AbortSignal): Promise<Map<string, FileStamp>> {
  const stamps = new Map<string, FileStamp>();
  for (const path of await modelPaths(root, signal)) {
    const stats = await lstat(join(root, path), { bigint: true }).catch(() => undefined);
    if (stats !== undefined) stamps.set(path, stampOf(stats));
  }
  return stamps;
}

async function modelPaths(directory: string, signal: AbortSignal): Promise<string[]> {
  const found: string[] = [];
  const walk = async (folder: string): Promise<void> => {
    signal.throwIfAborted();
    for (const entry of await readdir(join(directory, folder), { withFileTypes: true })) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.name.startsWith('.') || !canBeNamed(path)) continue;
      if (entry.isDirectory()) await walk(path);
      else if (entry.isFile()) found.push(path);
    }
  };
  await walk('');
  return groupModels(found).flatMap((group) => group.paths);
}

/** Without those that a file is missing of. */
function modelsOf(hashed: ReadonlyMap<string, KnownFile>, failures: ReadonlyMap<string, Error>): Model[] {
  const models: Model[] = [];
  for (const group of groupModels([...hashed.keys(), ...failures.keys()])) {
    if (!group.complete || group.paths.some((path) => failures.has(path))) continue;
    const files = group.paths.flatMap((path) => {
      const file = hashed.get(path);
      if (file === undefined) return [];
      return [{ path, sizeBytes: file.stamp.sizeBytes, sha256: file.sha256, manifest: file.manifest }];
    });
    models.push(makeModel(group.id, group.aliases, files));
  }
  return models;
}

/** Unreadable ones cost a hashing, nothing else. */
async function readStamps(directory: string): Promise<Map<string, KnownFile>> {
  const known = new Map<string, KnownFile>();
  try {
    const stored = JSON.parse(await readFile(join(directory, STAMPS_PATH), 'utf8')) as Record<string, StoredFile>;
    const manifests = new Set(await readdir(join(directory, STATE_FOLDER, 'manifests')));
    for (const [path, file] of Object.entries(stored)) {
      const decoded = decodeFile(file);
      if (decoded !== undefined && manifests.has(decoded.manifest)) known.set(path, decoded);
    }
  } catch {
    return new Map();
  }
  return known;
}

async function writeStamps(directory: string, hashed: ReadonlyMap<string, KnownFile>): Promise<void> {
  const stored = Object.fromEntries([...hashed].map(([path, file]) => [path, encodeFile(file)]));
  await writeIfChanged(join(directory, STAMPS_PATH), JSON.stringify(stored));
}

async function sweep(directory: string, needed: ReadonlySet<string>): Promise<void> {
  const folder = join(directory, STATE_FOLDER, 'manifests');
  for (const name of await readdir(folder)) {
    if (!needed.has(name)) await rm(join(folder, name), { force: true });
  }
}

/** A file that says the same stays the same for those who look at its time or tag. */
async function writeIfChanged(path: string, content: string): Promise<void> {
  const before = await readFile(path, 'utf8').catch(() => undefined);
  if (before !== content) await writeDurably(path, content);
}

/** Under its name complete or not at all. */
async function writeDurably(path: string, content: string | Uint8Array): Promise<void> {
  const draft = `${path}.draft`;
  const file = await open(draft, 'w', 0o644);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(draft, path);
}
