import { type Bitfield } from '../content/bitfield.ts';
import { decodeManifest, type Manifest } from '../content/manifest.ts';
import { geometryOf, pieceLength } from '../content/piece-geometry.ts';
import type { Partial } from '../store/partial-store.ts';
import type { Reservation } from '../store/space.ts';
import type { Store } from '../store/store.ts';
import type { DataPlane } from '../transfer/data-plane.ts';
import { Download, type DownloadParts } from '../transfer/download.ts';
import type { DownloadProgress, DownloadState } from '../transfer/download-progress.ts';
import type { DownloadQueue, Turn } from '../transfer/download-queue.ts';
import { type BlobTarget, type SourceOpener, sourceKey } from '../transfer/piece-source.ts';
import type { PrefixHash } from '../transfer/prefix-hash.ts';
import { childController } from '../util/deadline.ts';
import { codeOf, ShoalError } from '../util/errors.ts';
import type { Log } from '../util/log.ts';
import { Wake } from '../util/wake.ts';
import type { Holdings } from './holdings.ts';

/** One file to have, whatever its name: what it is and how its pieces are to be checked. */
export interface WantedBlob {
  readonly path: string;
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly manifest: string;
}

/** Knows who has a blob now. */
export interface Locator {
  /** This node's peer id. */
  readonly self: string;
  /** Whether there are other nodes at all. */
  hasCompany(): boolean;
  /** Other nodes that are fetching the blob now, by their records. */
  fetchers(blob: WantedBlob): string[];
  sources(blob: WantedBlob): SourceOpener[];
  /** Checked against its CID. @throws ShoalError `not-found` when nobody gives it now */
  manifest(blob: WantedBlob, signal: AbortSignal): Promise<Uint8Array>;
  /** The blob's manifest is proved to be a lie: it is not tried again, and whoever claimed to have the whole is blamed. */
  refute(blob: WantedBlob): void;
  /** Calls back when sources may have come or gone; returns how to end that. */
  onChange(listener: () => void): () => void;
}

export interface BlobFetchParts {
  readonly store: Store;
  readonly plane: DataPlane;
  readonly queue: DownloadQueue;
  readonly locator: Locator;
  readonly holdings: Holdings;
  readonly download: Omit<DownloadParts, 'hasRoom'>;
  /** A partial is served from now on, or not any more. */
  readonly onHoldings: (sha256: string) => void;
  readonly onPiece: (sha256: string, index: number) => void;
  readonly log: Log;
}

export type BlobPhase = 'queued' | 'starting' | 'fetching' | 'verifying' | 'done';

/** Sources come and go without telling, too: somebody whose record is late, an origin that is back. */
const LOOK_FOR_SOURCES_MS = 2_000;

/** Fetches one blob into a complete and verified partial, over as many attempts and sources as it takes. */
export class BlobFetch {
  readonly blob: WantedBlob;
  readonly #options: { readonly priority: 'normal' | 'high' };
  readonly #parts: BlobFetchParts;
  #phase: BlobPhase = 'queued';
  #download: Download | undefined;
  #last: DownloadProgress | undefined;
  #earlierRefetchedBytes = 0;
  #fetchers: readonly string[] = [];
  #release: () => void = () => undefined;

  constructor(blob: WantedBlob, options: { readonly priority: 'normal' | 'high' }, parts: BlobFetchParts) {
    this.blob = blob;
    this.#options = options;
    this.#parts = parts;
  }

  get phase(): BlobPhase {
    return this.#phase;
  }

  get progress(): DownloadProgress | undefined {
    return this.#download?.progress() ?? this.#last;
  }

  get refetchedBytes(): number {
    return this.#earlierRefetchedBytes + (this.#download?.progress().refetchedBytes ?? 0);
  }

  get state(): DownloadState | undefined {
    return this.#download?.state;
  }

  /** @throws ShoalError `not-found`, `verification-failed` when the whole does not have the sha256 that was promised */
  async run(reservation: Reservation, signal: AbortSignal): Promise<Partial> {
    const { sha256, sizeBytes } = this.blob;
    const job = { sha256, sizeBytes, priority: this.#options.priority };
    this.#phase = 'queued';
    return await this.#parts.queue.run(job, (turn, until) => this.#attempt(turn, reservation, until), signal);
  }

  async #attempt(turn: Turn, reservation: Reservation, signal: AbortSignal): Promise<Partial> {
    const { store, plane } = this.#parts;
    this.#phase = 'starting';
    const manifest = await this.#manifest(signal);
    const partial = await store.partials.create(this.blob);
    const { dir, sha256, sizeBytes } = partial;
    const target: BlobTarget = { sha256, manifest, partial: { dir, sha256, sizeBytes } };
    const have = await plane.recheck(target, signal);
    this.#phase = 'fetching';
    using whole = plane.hashPrefix({ path: partial.path, sizeBytes, have });
    try {
      await this.#fetchPieces(target, { partial, have, turn, reservation, whole }, signal);
      this.#phase = 'verifying';
      await this.#verify(target, partial, await whole.digest(signal), signal);
    } catch (error) {
      this.release();
      throw error;
    }
    this.#phase = 'done';
    return partial;
  }

  /**
   * The partial is installed, or given up, and not served any more. Until then its pieces are: others who fetch the model
   * at the same time have no use for a node that falls silent while it verifies, or waits for the model's other files.
   */
  release(): void {
    this.#release();
  }

  async #fetchPieces(
    target: BlobTarget,
    run: { partial: Partial; have: Bitfield; turn: Turn; reservation: Reservation; whole: PrefixHash },
    signal: AbortSignal,
  ): Promise<void> {
    const { store, holdings, locator, download: parts, onPiece, onHoldings } = this.#parts;
    const { partial, have, turn, reservation, whole } = run;
    const geometry = geometryOf(target.manifest.sizeBytes);
    const download = new Download(
      {
        blob: target,
        have,
        sharedOrigins: {
          self: locator.self,
          fetchers: () => this.#fetchers,
          hasCompany: () => locator.hasCompany(),
        },
      },
      {
        ...parts,
        // What is promised to us is still free; it is ours to use.
        hasRoom: async (missingBytes) => (await store.space.disk()).freeBytes > missingBytes,
      },
    );
    download.on('piece', (index) => {
      reservation.written(pieceLength(geometry, index));
      whole.add(index);
      onPiece(target.sha256, index);
    });
    download.on('state', ({ kind }) => turn.setIdle(kind === 'stalled' || kind === 'paused'));
    this.#download = download;
    const holding = holdings.open(partial, have);
    this.#release = () => {
      this.#release = () => undefined;
      holding.close();
      onHoldings(target.sha256);
    };
    onHoldings(target.sha256);
    const { controller, release } = childController(signal);
    const following = this.#followSources(download, controller.signal);
    try {
      await download.run(signal);
    } finally {
      controller.abort();
      release();
      await following;
      this.#last = download.progress();
      this.#earlierRefetchedBytes += this.#last.refetchedBytes;
      this.#download = undefined;
    }
  }

  async #followSources(download: Download, signal: AbortSignal): Promise<void> {
    const { locator } = this.#parts;
    const wake = new Wake();
    const unlisten = locator.onChange(() => wake.notify());
    let known = new Map<string, SourceOpener>();
    try {
      while (!signal.aborted) {
        this.#fetchers = locator.fetchers(this.blob);
        const now = new Map(locator.sources(this.blob).map((opener) => [sourceKey(opener.id), opener]));
        for (const [key, opener] of now) if (!known.has(key)) download.addSource(opener);
        for (const [key, { id }] of known) if (!now.has(key)) download.removeSource(id);
        known = now;
        await wake.wait(LOOK_FOR_SOURCES_MS, signal);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      unlisten();
    }
  }

  async #manifest(signal: AbortSignal): Promise<Manifest> {
    const { store, locator } = this.#parts;
    const { manifest: cid, sha256, sizeBytes } = this.blob;
    const kept = await store.catalog.manifestBytes(cid);
    const bytes = kept ?? (await locator.manifest(this.blob, signal));
    const manifest = this.#honest(bytes);
    if (manifest?.sha256 !== sha256 || manifest.sizeBytes !== sizeBytes) {
      locator.refute(this.blob);
      throw new ShoalError('verification-failed', `the manifest of ${this.blob.path} is that of another file`);
    }
    if (kept === undefined) await store.catalog.putManifest(bytes);
    return manifest;
  }

  /** Its CID has proved the bytes: what cannot be read now never can. */
  #honest(bytes: Uint8Array): Manifest | undefined {
    try {
      return decodeManifest(bytes);
    } catch (error) {
      if (codeOf(error) === 'invalid') return undefined;
      throw error;
    }
  }

  /** The pieces fit the manifest; that the manifest was honest shows only now. */
  async #verify(target: BlobTarget, partial: Partial, sha256: string, signal: AbortSignal): Promise<void> {
    const { store, plane, locator, log } = this.#parts;
    const { path, manifest } = this.blob;
    if (sha256 === partial.sha256) return;
    const fields = { path, promised: partial.sha256, found: sha256, manifest };
    // A disk that gives back other bytes than were written must not make liars of those who sent them.
    if (!(await plane.recheck(target, signal)).complete) {
      log.error(fields, 'pieces that were right are wrong on the disk, they are fetched again');
      throw new ShoalError('verification-failed', `${path} came back from the disk with other bytes`, {
        remedy: 'Check the disk and the memory of this node: it was written rightly.',
      });
    }
    log.error(fields, 'manifest was a lie, all of it is thrown away');
    locator.refute(this.blob);
    await store.partials.discard(partial.sha256);
    throw new ShoalError('verification-failed', `${path} does not have the sha256 that was promised`, {
      remedy: 'Somebody announces it with a wrong manifest: remove it on that node, or publish the origin again.',
      fields: { manifest },
    });
  }
}
