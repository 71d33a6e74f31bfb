import { draftOf } from '../content/draft.ts';
import { diskFull } from '../store/disk-full.ts';
import type { StagedFile } from '../store/installer.ts';
import type { Reservation } from '../store/space.ts';
import type { DownloadProgress } from '../transfer/download-progress.ts';
import type { FileOrigin } from '../transfer/file-origin.ts';
import type { OriginCopy } from '../transfer/origin-copy.ts';
import { RateMeter } from '../transfer/pace.ts';
import type { Clock } from '../util/clock.ts';
import { childController } from '../util/deadline.ts';
import { messageOf, ShoalError } from '../util/errors.ts';
import { Arrival } from './arrival.ts';
import { BlobFetch } from './blob-fetch.ts';
import { DraftFetch, type DraftFetchParts } from './draft-fetch.ts';
import { missingBytes } from './missing-bytes.ts';
import type { Offer, OfferedFile } from './offers.ts';
import type { FileFetch } from './piece-fetch.ts';
import { problemView } from './problems.ts';
import type { SharedBlobs } from './shared-blobs.ts';
import { UnhashedCopy } from './unhashed-copy.ts';
import type { SourceView, TransferState, TransferView } from './views.ts';

export interface ModelFetchOptions {
  readonly offer: Offer;
  readonly priority: 'normal' | 'high';
  /** Of all models that are fetched. */
  readonly shared: SharedBlobs;
}

export interface ModelFetchParts extends DraftFetchParts {
  readonly clock: Clock;
  readonly copies: OriginCopy;
  /** A mounted origin that offers the model unhashed. */
  readonly mount: (offer: Offer) => FileOrigin | undefined;
  readonly nameOf: (peerId: string) => string | undefined;
}

const MEASURE_MS = 250;

/** Fetches all files of one model and installs them together. */
export class ModelFetch {
  readonly offer: Offer;
  readonly #shared: SharedBlobs;
  readonly #parts: ModelFetchParts;
  readonly #startedAt: number;
  readonly #startMs: number;
  readonly #blobs: FileFetch[] = [];
  readonly #copies: UnhashedCopy[] = [];
  readonly #copyRate = new RateMeter(3000);
  readonly #arrival = new Arrival();
  #priority: ModelFetchOptions['priority'];
  #presentBytes = 0;
  #endMs: number | undefined;
  #ended: { readonly state: 'done' } | { readonly state: 'failed'; readonly error: unknown } | undefined;
  #installing = false;

  constructor(options: ModelFetchOptions, parts: ModelFetchParts) {
    this.offer = options.offer;
    this.#priority = options.priority;
    this.#shared = options.shared;
    this.#parts = parts;
    this.#startedAt = parts.clock.now();
    this.#startMs = parts.clock.monotonic();
  }

  /** Counts for what still waits for its turn. */
  prioritize(priority: ModelFetchOptions['priority']): void {
    if (priority === this.#priority) return;
    this.#priority = priority;
    for (const { name } of this.#blobs) this.#parts.queue.setPriority(name, priority);
  }

  /** @throws ShoalError `disk-full`, `conflict`, `not-found`, `verification-failed`, and what origins throw */
  async run(signal: AbortSignal): Promise<void> {
    const { controller, release } = childController(signal);
    const measuring = this.#measure(controller.signal);
    try {
      using reservation = await this.#parts.store.space.reserve(await missingBytes(this.offer, this.#parts));
      const staged = await this.#stageAll(reservation, signal);
      this.#installing = true;
      await this.#parts.store.installer.install(this.offer.id, staged);
      this.#ended = { state: 'done' };
    } catch (error) {
      // Who was told to stop has not failed: a client that waits goes on waiting when the daemon is back.
      if (!signal.aborted) this.#ended = { state: 'failed', error };
      throw error;
    } finally {
      controller.abort();
      release();
      for (const blob of this.#blobs) blob.release();
      await measuring;
      this.#installing = false;
      this.#endMs = this.#parts.clock.monotonic();
    }
  }

  view(): TransferView {
    const { clock } = this.#parts;
    const nowMs = this.#endMs ?? clock.monotonic();
    const progresses = this.#blobs.flatMap(({ progress }) => (progress === undefined ? [] : [progress]));
    const copiedBytes = this.#copies.reduce((sum, copy) => sum + copy.bytes, 0);
    const bytesDone =
      this.#ended?.state === 'done'
        ? this.offer.sizeBytes
        : this.#presentBytes + copiedBytes + progresses.reduce((sum, one) => sum + one.bytesDone, 0);
    const state = this.#state();
    const moving = state === 'fetching';
    const copying = this.#copies.some((copy) => copy.state === 'copying')
      ? this.#copyRate.bytesPerSecond(clock.monotonic())
      : 0;
    const measured = this.#arrival.bytesPerSecond(clock.monotonic());
    const summed = progresses.reduce((sum, one) => sum + one.bytesPerSecond, copying);
    const bytesPerSecond = !moving ? 0 : measured > 0 ? measured : summed;
    const etaMs = moving ? this.#arrival.etaMs(this.offer.sizeBytes - bytesDone, clock.monotonic()) : undefined;
    const missing = this.offer.sizeBytes - bytesDone;
    const problem = this.#problem(missing);
    return {
      model: this.offer.id,
      ...(this.offer.digest === undefined ? {} : { digest: this.offer.digest }),
      state,
      bytesTotal: this.offer.sizeBytes,
      bytesDone: Math.min(bytesDone, this.offer.sizeBytes),
      refetchedBytes: this.#blobs.reduce((sum, blob) => sum + blob.refetchedBytes, 0),
      bytesPerSecond,
      ...(etaMs === undefined ? {} : { etaMs }),
      startedAt: new Date(this.#startedAt).toISOString(),
      seconds: Math.round(nowMs - this.#startMs) / 1000,
      sources: this.#sources(progresses),
      ...(problem === undefined ? {} : { problem: problemView(problem) }),
    };
  }

  async #measure(signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts;
    try {
      for (;;) {
        const fetched = this.#blobs.reduce((sum, { progress }) => sum + fetchedBytesOf(progress), 0);
        const copied = this.#copies.reduce((sum, { bytes }) => sum + bytes, 0);
        this.#arrival.sample(fetched + copied, clock.monotonic());
        await clock.sleep(MEASURE_MS, signal);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  #state(): TransferState {
    if (this.#ended !== undefined) return this.#ended.state;
    if (this.#installing) return 'installing';
    const phases = this.#blobs.map(({ phase }) => phase);
    const states = this.#blobs.flatMap(({ state }) => (state === undefined ? [] : [state.kind]));
    if (states.includes('fetching') || this.#copies.some((copy) => copy.state === 'copying')) return 'fetching';
    if (states.includes('stalled') || states.includes('paused')) return 'stalled';
    if (this.#copies.some((copy) => copy.state === 'stalled')) return 'stalled';
    if (phases.includes('starting')) return 'starting';
    if (phases.includes('verifying')) return 'verifying';
    return phases.includes('queued') ? 'queued' : 'starting';
  }

  #problem(missingBytes: number): unknown {
    if (this.#ended?.state === 'failed') return this.#ended.error;
    const states = this.#blobs.flatMap(({ state }) => (state === undefined ? [] : [state.kind]));
    if (states.includes('paused')) {
      // It was full when the last byte was written: all that is missing still needs room.
      const couldFreeBytes = this.#parts.store.usage().removableBytes;
      const where = 'the disk of the models directory';
      return diskFull({ neededBytes: missingBytes, availableBytes: 0, couldFreeBytes, where });
    }
    if (states.includes('stalled') || this.#copies.some(({ state }) => state === 'stalled')) {
      return new ShoalError('source-stalled', 'no source gives what is missing', {
        remedy: 'See "shoal peers" and "shoal doctor": it goes on by itself when a source is back.',
      });
    }
    return undefined;
  }

  /** Side by side; the first that fails ends the others. */
  async #stageAll(reservation: Reservation, signal: AbortSignal): Promise<StagedFile[]> {
    const { controller, release } = childController(signal);
    const bySha = new Map<string, Promise<string | undefined>>();
    try {
      const work = this.offer.files.map((file) => this.#stage(file, { reservation, bySha }, controller.signal));
      for (const one of work) one.catch(() => controller.abort(new DOMException('another file failed', 'AbortError')));
      const results = await Promise.allSettled(work);
      const failures = results.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []));
      signal.throwIfAborted();
      // What was aborted because another failed is not what went wrong.
      const cause = failures.find((error) => !(error instanceof DOMException)) ?? failures[0];
      if (cause !== undefined) throw cause instanceof Error ? cause : new Error(messageOf(cause));
      return results.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    } finally {
      controller.abort();
      release();
    }
  }

  async #stage(
    file: OfferedFile,
    run: { reservation: Reservation; bySha: Map<string, Promise<string | undefined>> },
    signal: AbortSignal,
  ): Promise<StagedFile> {
    const { path, sizeBytes, sha256, manifest } = file;
    if (sha256 === undefined || manifest === undefined) return await this.#readFirst(file, run.reservation, signal);
    const { catalog } = this.#parts.store;
    const metadata = this.offer.metadata;
    const staged = { path, sha256, manifest, ...(metadata === undefined ? {} : { metadata }) };
    if (catalog.locateBlob(sha256) !== undefined) {
      this.#presentBytes += sizeBytes;
      return staged;
    }
    const twin = run.bySha.get(sha256);
    if (twin !== undefined) {
      await twin;
      this.#presentBytes += sizeBytes;
      return staged;
    }
    await this.#parts.store.partials.adopt({ path, sha256, sizeBytes, manifest });
    const blob = new BlobFetch({ path, sha256, sizeBytes, manifest }, { priority: this.#priority }, this.#parts);
    this.#blobs.push(blob);
    const fetching = this.#fetchOnce(blob, run.reservation, signal);
    run.bySha.set(sha256, fetching);
    return { ...staged, from: await fetching };
  }

  /** Returns the path of the partial. Another model may have the blob as well, and be fetching it. */
  async #fetchOnce(blob: BlobFetch, reservation: Reservation, signal: AbortSignal): Promise<string> {
    const { sha256, manifest, sizeBytes } = blob.blob;
    if (this.#priority === 'high') this.#parts.queue.setPriority(sha256, 'high');
    const run = async (): Promise<string> => (await blob.run(reservation, signal)).path;
    // With another manifest it is another matter: at most one of them is honest.
    const { path, isShared } = await this.#shared.fetch(`${sha256} ${manifest}`, run, signal);
    if (isShared) {
      this.#blobs.splice(this.#blobs.indexOf(blob), 1);
      this.#presentBytes += sizeBytes;
    }
    return path;
  }

  /** Nobody has hashed it: it is hashed while it is read, by one node for all; what is small each copies for itself. */
  async #readFirst(file: OfferedFile, reservation: Reservation, signal: AbortSignal): Promise<StagedFile> {
    const { mount, blake3 } = this.#parts;
    const origin = mount(this.offer);
    if (origin === undefined) throw new ShoalError('source-gone', `the origin of ${file.path} cannot be read now`);
    const draft = draftOf(file, blake3);
    if (draft === undefined) return await this.#copy(file, { origin, reservation }, signal);
    const options = { draft, mount: origin.draft(draft), priority: this.#priority };
    const fetch = new DraftFetch(options, this.#parts);
    this.#blobs.push(fetch);
    return await fetch.run(reservation, signal);
  }

  async #copy(
    file: OfferedFile,
    { origin, reservation }: { origin: FileOrigin; reservation: Reservation },
    signal: AbortSignal,
  ): Promise<StagedFile> {
    const { copies, store, clock, log, download } = this.#parts;
    this.#copyRate.start(clock.monotonic());
    const onBytes = (bytes: number): void => {
      reservation.written(bytes);
      this.#copyRate.add(bytes, clock.monotonic());
    };
    const copy = new UnhashedCopy({ file, origin, onBytes }, { copies, clock, log, metrics: download.metrics });
    this.#copies.push(copy);
    const copied = await copy.run(signal);
    await store.catalog.putManifest(copied.manifestBytes);
    return { path: file.path, sha256: copied.sha256, manifest: copied.manifestCid, from: copied.partial.path };
  }

  #sources(progresses: readonly DownloadProgress[]): SourceView[] {
    const sources = new Map<string, SourceView>();
    for (const { sources: some } of progresses) {
      for (const { id, bytes, pieces, bytesPerSecond, state } of some) {
        const key = `${id.kind}:${id.id}`;
        const before = sources.get(key);
        const name = id.kind === 'peer' ? this.#parts.nameOf(id.id) : undefined;
        sources.set(key, {
          kind: id.kind,
          id: id.id,
          ...(name === undefined ? {} : { name }),
          bytes: (before?.bytes ?? 0) + bytes,
          pieces: (before?.pieces ?? 0) + pieces,
          bytesPerSecond: (before?.bytesPerSecond ?? 0) + bytesPerSecond,
          state: before?.state === 'active' ? 'active' : state,
        });
      }
    }
    for (const { url, bytes, state } of this.#copies) {
      const before = sources.get(`origin:${url}`);
      sources.set(`origin:${url}`, {
        kind: 'origin',
        id: url,
        bytes: (before?.bytes ?? 0) + bytes,
        pieces: before?.pieces ?? 0,
        bytesPerSecond: before?.bytesPerSecond ?? 0,
        state: state === 'copying' ? 'active' : state === 'done' ? 'idle' : 'stalled',
      });
    }
    return [...sources.values()];
  }
}

function fetchedBytesOf(progress: DownloadProgress | undefined): number {
  return progress?.sources.reduce((sum, { bytes }) => sum + bytes, 0) ?? 0;
}
