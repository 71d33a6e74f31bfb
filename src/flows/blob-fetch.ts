import { decodeManifest, type Manifest } from '../content/manifest.ts';
import type { Partial } from '../store/partial-store.ts';
import type { Reservation } from '../store/space.ts';
import type { DataPlane } from '../transfer/data-plane.ts';
import type { DownloadProgress, DownloadState } from '../transfer/download-progress.ts';
import type { DownloadQueue, Turn } from '../transfer/download-queue.ts';
import type { SharedOrigins } from '../transfer/piece-choice.ts';
import type { BlobTarget, SourceOpener } from '../transfer/piece-source.ts';
import { codeOf, ShoalError } from '../util/errors.ts';
import type { Log } from '../util/log.ts';
import { type BlobPhase, type FileFetch, PieceFetch, type PieceFetchParts } from './piece-fetch.ts';

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
  /** There is a connection to the node now. */
  isReachable(peerId: string): boolean;
  /** It is of the fleet now, by its record. */
  isMember(peerId: string): boolean;
  /** Other nodes that are fetching the blob now, by their records. */
  fetchers(blob: WantedBlob): string[];
  /** Peers and origins. */
  sources(blob: WantedBlob): SourceOpener[];
  peers(blob: WantedBlob): SourceOpener[];
  /** Checked against its CID. @throws ShoalError `not-found` when nobody gives it now */
  manifest(blob: WantedBlob, signal: AbortSignal): Promise<Uint8Array>;
  /** The blob's manifest is proved to be a lie: it is not tried again, and whoever claimed to have the whole is blamed. */
  refute(blob: WantedBlob): void;
  /** Calls back when sources may have come or gone; returns how to end that. */
  onChange(listener: () => void): () => void;
}

export interface BlobFetchParts extends Omit<PieceFetchParts, 'onSourcesChange'> {
  readonly plane: DataPlane;
  readonly queue: DownloadQueue;
  readonly locator: Locator;
  readonly log: Log;
}

/** Fetches one blob into a complete and verified partial, over as many attempts and sources as it takes. */
export class BlobFetch implements FileFetch {
  readonly blob: WantedBlob;
  readonly #options: { readonly priority: 'normal' | 'high' };
  readonly #parts: BlobFetchParts;
  readonly #pieces: PieceFetch;
  #phase: BlobPhase = 'queued';
  #fetchers: readonly string[] = [];

  constructor(blob: WantedBlob, options: { readonly priority: 'normal' | 'high' }, parts: BlobFetchParts) {
    this.blob = blob;
    this.#options = options;
    this.#parts = parts;
    this.#pieces = new PieceFetch({ ...parts, onSourcesChange: (listener) => parts.locator.onChange(listener) });
  }

  get name(): string {
    return this.blob.sha256;
  }

  get phase(): BlobPhase {
    return this.#phase;
  }

  get progress(): DownloadProgress | undefined {
    return this.#pieces.progress;
  }

  get refetchedBytes(): number {
    return this.#pieces.refetchedBytes;
  }

  get state(): DownloadState | undefined {
    return this.#pieces.state;
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
      const run = { partial, have, turn, reservation, whole, origins: this.#origins(), sources: () => this.#sources() };
      await this.#pieces.run(target, run, signal);
      this.#phase = 'verifying';
      await this.#verify(target, partial, await whole.digest(signal), signal);
    } catch (error) {
      this.release();
      throw error;
    }
    this.#phase = 'done';
    return partial;
  }

  release(): void {
    this.#pieces.release();
  }

  #origins(): { sharedOrigins: SharedOrigins } {
    const { locator } = this.#parts;
    const sharedOrigins = {
      self: locator.self,
      fetchers: () => this.#fetchers,
      hasCompany: () => locator.hasCompany(),
    };
    return { sharedOrigins };
  }

  #sources(): SourceOpener[] {
    const { locator } = this.#parts;
    this.#fetchers = locator.fetchers(this.blob);
    return locator.sources(this.blob);
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
