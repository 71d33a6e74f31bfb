import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { formatDigest, parseDigest } from '../content/digest.ts';
import { parseModelPath } from '../content/model-path.ts';
import { MODEL_EXTENSIONS } from '../content/model-rules.ts';
import type { StagedFile } from '../store/installer.ts';
import { STATE_FOLDER } from '../store/partial-store.ts';
import type { Reservation } from '../store/space.ts';
import type { Store } from '../store/store.ts';
import { RateMeter } from '../transfer/pace.ts';
import type { Clock } from '../util/clock.ts';
import { ShoalError } from '../util/errors.ts';
import type { Registration } from './registrations.ts';
import { type SourcePlace, shownUrl } from './source-url.ts';
import type { UrlDownloadFact, UrlDownloadOrder } from './url-download-order.ts';
import type { TransferState, TransferView } from './views.ts';

export interface UrlDownloadOptions {
  readonly registration: Registration & { readonly sourceUrl: string };
  readonly place: SourcePlace;
  readonly modelsDir: string;
  readonly bytesPerSecond: number;
}

const RATE_TAU_MS = 5_000;
const STALLED_MS = 3_000;

/** Downloads that were begun lie here, beside the partials and on the same file system. */
export function urlDownloadFolder(modelsDir: string): string {
  return join(modelsDir, STATE_FOLDER, 'urls');
}

/**
 * One model that only its source_url has: downloaded beside the models (going on where an earlier attempt ended), hashed,
 * and installed only with the digest that was registered.
 */
export class UrlDownload {
  readonly id: string;
  readonly #options: UrlDownloadOptions;
  readonly #parts: { readonly store: Store; readonly clock: Clock };
  readonly #startedAt: number;
  readonly #startMs: number;
  readonly #rate = new RateMeter(RATE_TAU_MS);
  #state: TransferState = 'starting';
  #bytesTotal = 0;
  #bytesDone = 0;
  #fetchedBytes = 0;
  #lastMs: number;

  constructor(options: UrlDownloadOptions, parts: { readonly store: Store; readonly clock: Clock }) {
    this.id = options.registration.id;
    this.#options = options;
    this.#parts = parts;
    this.#startedAt = parts.clock.now();
    this.#startMs = parts.clock.monotonic();
    this.#lastMs = this.#startMs;
  }

  /** Returns where it is. @throws ShoalError `disk-full`, `conflict`, `verification-failed`, `invalid`, and what sources throw */
  async run(signal: AbortSignal): Promise<string> {
    const { store } = this.#parts;
    const { registration } = this.#options;
    const sha256 = parseDigest(registration.digest);
    const path = installPath(registration, store);
    const staged = await this.#stage(sha256, signal);
    this.#state = 'installing';
    await store.installer.install(path, [{ path, ...staged }]);
    this.#state = 'done';
    return path;
  }

  /** What is here already, under any name or left by an installation that failed, is not fetched again. */
  async #stage(sha256: string, signal: AbortSignal): Promise<Omit<StagedFile, 'path'>> {
    const { store } = this.#parts;
    const here = store.catalog.locateBlob(sha256);
    if (here !== undefined) return { sha256, manifest: here.manifest };
    const left = store.partials.find(sha256);
    const isWhole = left !== undefined && store.partials.claimedBytes(left) === left.sizeBytes;
    const file = isWhole ? left.path : join(urlDownloadFolder(this.#options.modelsDir), `${sha256}.part`);
    if (!isWhole) {
      await mkdir(urlDownloadFolder(this.#options.modelsDir), { recursive: true });
      await this.#fetch(file, signal);
    }
    this.#state = 'verifying';
    const hashed = await store.hasher.hashFile(file, signal);
    if (hashed.sha256 !== sha256) {
      // What came cannot be gone on with.
      if (isWhole) {
        await store.partials.discard(sha256);
        return await this.#stage(sha256, signal);
      }
      await rm(file, { force: true });
      throw new ShoalError(
        'verification-failed',
        `the source_url gave bytes with ${formatDigest(hashed.sha256)}, not those registered`,
        { remedy: 'Register it with the digest that the file really has, or correct the URL.' },
      );
    }
    await store.catalog.putManifest(hashed.manifestBytes);
    const manifest = hashed.manifestCid;
    const blob = { sha256, sizeBytes: hashed.stamp.sizeBytes, manifest };
    const partial = isWhole ? left : await store.partials.take(blob, file);
    return { sha256, manifest, from: partial.path };
  }

  view(): TransferView {
    const { clock } = this.#parts;
    const { registration } = this.#options;
    const nowMs = clock.monotonic();
    const isStalled = this.#state === 'fetching' && nowMs - this.#lastMs > STALLED_MS;
    const bytesPerSecond = this.#state === 'fetching' && !isStalled ? this.#rate.bytesPerSecond(nowMs) : 0;
    const missing = this.#bytesTotal - this.#bytesDone;
    return {
      model: registration.id,
      digest: registration.digest,
      state: isStalled ? 'stalled' : this.#state,
      bytesTotal: this.#bytesTotal,
      bytesDone: this.#bytesDone,
      refetchedBytes: 0,
      bytesPerSecond,
      ...(bytesPerSecond >= 1 ? { etaMs: (missing / bytesPerSecond) * 1000 } : {}),
      startedAt: new Date(this.#startedAt).toISOString(),
      seconds: Math.round(nowMs - this.#startMs) / 1000,
      sources: [
        {
          kind: 'origin',
          id: shownUrl(registration.sourceUrl),
          bytes: this.#fetchedBytes,
          pieces: 0,
          bytesPerSecond,
          state: isStalled ? 'stalled' : this.#state === 'fetching' ? 'active' : 'idle',
        },
      ],
    };
  }

  async #fetch(file: string, signal: AbortSignal): Promise<void> {
    const { place, bytesPerSecond } = this.#options;
    const order: UrlDownloadOrder = { place, file, bytesPerSecond };
    const worker = new Worker(new URL('./url-download-worker.ts', import.meta.url), { workerData: order });
    const ended = Promise.withResolvers<undefined>();
    let reservation: Reservation | undefined;
    const onAbort = (): void => ended.reject(signal.reason as Error);
    const onFact = async (fact: UrlDownloadFact): Promise<void> => {
      switch (fact.kind) {
        case 'begins':
          reservation = await this.#parts.store.space.reserve(fact.bytesTotal - fact.bytesDone, {
            bytesThere: fact.bytesDone,
          });
          this.#state = 'fetching';
          this.#bytesTotal = fact.bytesTotal;
          this.#bytesDone = fact.bytesDone;
          this.#lastMs = this.#parts.clock.monotonic();
          this.#rate.start(this.#lastMs);
          worker.postMessage('go');
          return;
        case 'progress':
          reservation?.written(fact.bytesDone - this.#bytesDone);
          this.#progressed(fact.bytesDone);
          return;
        case 'done':
          ended.resolve(undefined);
          return;
        case 'failed':
          ended.reject(new ShoalError(fact.code, fact.message));
      }
    };
    worker.on('message', (fact: UrlDownloadFact) => void onFact(fact).catch(ended.reject));
    worker.on('error', ended.reject);
    worker.on('exit', () => ended.reject(new ShoalError('internal', 'the download ended without a word')));
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      signal.throwIfAborted();
      await ended.promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
      reservation?.[Symbol.dispose]();
      await worker.terminate();
    }
  }

  #progressed(bytesDone: number): void {
    const bytes = bytesDone - this.#bytesDone;
    if (bytes <= 0) return;
    this.#lastMs = this.#parts.clock.monotonic();
    this.#rate.add(bytes, this.#lastMs);
    this.#fetchedBytes += bytes;
    this.#bytesDone = bytesDone;
  }
}

/**
 * The id where it can be a file's name, else the last name in the URL; beside what has that name already, one that
 * the digest makes unique.
 * @throws ShoalError `invalid` when neither tells what kind of model it is
 */
function installPath({ id, digest, sourceUrl }: UrlDownloadOptions['registration'], { catalog }: Store): string {
  const inUrl = shownUrl(sourceUrl).split('/').at(-1) ?? '';
  const path = [id, inUrl].find((name) => extensionOf(name) !== undefined && isModelPath(name));
  if (path === undefined) {
    throw new ShoalError('invalid', 'neither the id nor the source_url ends like a model file', {
      remedy: `Use one of ${MODEL_EXTENSIONS.join(' ')} at the end of either.`,
    });
  }
  if (!catalog.isPresent(path) || catalog.fileAt(path)?.sha256 === parseDigest(digest)) return path;
  const extension = extensionOf(path) ?? '';
  return `${path.slice(0, -extension.length)}-${parseDigest(digest).slice(0, 8)}${extension}`;
}

function extensionOf(name: string): string | undefined {
  return MODEL_EXTENSIONS.find((extension) => name.toLowerCase().endsWith(extension));
}

function isModelPath(name: string): boolean {
  try {
    parseModelPath(name);
    return true;
  } catch {
    return false;
  }
}
