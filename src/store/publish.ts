import { lstat, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { ModelMetadata } from '../content/metadata.ts';
import { type Model, makeModel } from '../content/model.ts';
import { parseModelPath } from '../content/model-path.ts';
import { groupModels } from '../content/model-rules.ts';
import { codeOf, errnoOf, ShoalError } from '../util/errors.ts';
import { createLog } from '../util/log.ts';
import { Metrics } from '../util/metrics.ts';
import { decodeStamp, encodeStamp, type FileStamp, sameStamp, stampOf } from './file-stamp.ts';
import { Hasher } from './hasher.ts';
import { STATE_FOLDER } from './partial-store.ts';
import { formatIndex, INDEX_PATH, manifestPath } from './published-index.ts';

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

interface Hashed {
  readonly stamp: FileStamp;
  readonly sha256: string;
  readonly manifest: string;
  readonly metadata?: ModelMetadata;
}

const STAMPS_PATH = '.shoal/stamps.json';
/** Two of them read a disk at its full rate; a NAS is not asked for more at a time. */
const DEFAULT_WORKERS = 2;

/**
 * Makes a directory a verified origin: hashes what has changed and writes `.shoal/index.json` and
 * `.shoal/manifests/<cid>`. The index is replaced last and at once, so that whoever reads it meanwhile finds every
 * manifest that it names; what nothing names any more is removed after that.
 * @throws ShoalError `not-found` for no directory, `changed` for a file that is being written
 */
export async function publish(directory: string, options: PublishOptions, signal: AbortSignal): Promise<Published> {
  const paths = await modelPaths(directory, signal);
  const before = await readStamps(directory);
  const stamps = new Map<string, FileStamp>();
  for (const path of paths) stamps.set(path, stampOf(await lstat(join(directory, path), { bigint: true })));
  const hashed = new Map<string, Hashed>();
  const changed: string[] = [];
  for (const [path, stamp] of stamps) {
    const known = before.get(path);
    if (known !== undefined && sameStamp(known.stamp, stamp)) hashed.set(path, known);
    else changed.push(path);
  }
  await mkdir(join(directory, STATE_FOLDER, 'manifests'), { recursive: true });
  await hashAll(directory, changed, { stamps, hashed, options }, signal);
  const models = modelsOf(hashed);
  await writeDurably(join(directory, INDEX_PATH), formatIndex(models));
  await writeStamps(directory, hashed);
  await sweep(directory, new Set([...hashed.values()].map(({ manifest }) => manifest)));
  const bytes = models.reduce((sum, model) => sum + model.sizeBytes, 0);
  return { models: models.length, bytes, hashedFiles: changed.length };
}

async function hashAll(
  directory: string,
  changed: readonly string[],
  work: { stamps: ReadonlyMap<string, FileStamp>; hashed: Map<string, Hashed>; options: PublishOptions },
  signal: AbortSignal,
): Promise<void> {
  const { stamps, hashed, options } = work;
  const bytesTotal = changed.reduce((sum, path) => sum + (stamps.get(path)?.sizeBytes ?? 0), 0);
  const startMs = performance.now();
  let bytesDone = 0;
  const workers = options.hashWorkers ?? Math.min(DEFAULT_WORKERS, availableParallelism());
  await using hasher = new Hasher({ workers }, { log: createLog({ level: 'error' }), metrics: new Metrics() });
  const hashOne = async (path: string): Promise<void> => {
    const file = await hasher.hashFile(join(directory, path), signal, (bytes) => {
      bytesDone += bytes;
      const bytesPerSecond = bytesDone / Math.max(0.001, (performance.now() - startMs) / 1000);
      options.onProgress?.({ path, bytesTotal, bytesDone, bytesPerSecond });
    });
    await writeDurably(join(directory, manifestPath(file.manifestCid)), file.manifestBytes);
    const { stamp, sha256, manifestCid: manifest, metadata } = file;
    hashed.set(path, { stamp, sha256, manifest, ...(metadata === undefined ? {} : { metadata }) });
  };
  const queue = [...changed];
  const failures: unknown[] = [];
  const runner = async (): Promise<void> => {
    for (let path = queue.shift(); path !== undefined; path = queue.shift()) {
      try {
        await hashOne(path);
      } catch (error) {
        if (signal.aborted) throw error;
        if (codeOf(error) === 'not-found') continue; // deleted meanwhile
        failures.push(error);
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: workers }, runner));
  } finally {
    // Also when interrupted: what has been hashed is not hashed again.
    await writeStamps(directory, hashed);
  }
  if (failures.length > 0) throw failures[0];
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
  try {
    await walk('');
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'ENOTDIR') throw error;
    throw new ShoalError('not-found', `${directory} is no directory`, { cause: error });
  }
  return groupModels(found).flatMap((group) => group.paths);
}

function canBeNamed(path: string): boolean {
  try {
    parseModelPath(path);
    return true;
  } catch {
    return false;
  }
}

function modelsOf(hashed: ReadonlyMap<string, Hashed>): Model[] {
  const models: Model[] = [];
  for (const group of groupModels(hashed.keys())) {
    if (!group.complete) continue;
    let metadata: ModelMetadata | undefined;
    const files = group.paths.flatMap((path) => {
      const file = hashed.get(path);
      if (file === undefined) return [];
      metadata ??= file.metadata;
      return [{ path, sizeBytes: file.stamp.sizeBytes, sha256: file.sha256, manifest: file.manifest }];
    });
    models.push(makeModel(group.id, group.aliases, files, metadata));
  }
  return models;
}

interface StoredStamp {
  readonly stamp: string;
  readonly sha256: string;
  readonly manifest: string;
  readonly metadata?: ModelMetadata;
}

/** Unreadable ones cost a hashing, nothing else. */
async function readStamps(directory: string): Promise<Map<string, Hashed>> {
  const known = new Map<string, Hashed>();
  try {
    const stored = JSON.parse(await readFile(join(directory, STAMPS_PATH), 'utf8')) as Record<string, StoredStamp>;
    const manifests = new Set(await readdir(join(directory, STATE_FOLDER, 'manifests')));
    for (const [path, file] of Object.entries(stored)) {
      const stamp = decodeStamp(file.stamp);
      if (stamp !== undefined && manifests.has(file.manifest)) known.set(path, { ...file, stamp });
    }
  } catch {
    return new Map();
  }
  return known;
}

async function writeStamps(directory: string, hashed: ReadonlyMap<string, Hashed>): Promise<void> {
  const stored: Record<string, StoredStamp> = {};
  for (const [path, file] of hashed) stored[path] = { ...file, stamp: encodeStamp(file.stamp) };
  await writeDurably(join(directory, STAMPS_PATH), JSON.stringify(stored));
}

async function sweep(directory: string, needed: ReadonlySet<string>): Promise<void> {
  const folder = join(directory, STATE_FOLDER, 'manifests');
  for (const name of await readdir(folder)) {
    if (!needed.has(name)) await rm(join(folder, name), { force: true });
  }
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
