import type { Blake3Engine } from '../content/blake3.ts';
import { manifestCid } from '../content/cid.ts';
import type { Draft } from '../content/draft.ts';
import { encodeManifest } from '../content/manifest.ts';
import type { StagedFile } from '../store/installer.ts';
import type { Partial } from '../store/partial-store.ts';
import { RunLog } from '../store/run-log.ts';
import type { Reservation } from '../store/space.ts';
import type { RunExchange } from '../swarm/run-exchange.ts';
import type { DownloadProgress, DownloadState } from '../transfer/download-progress.ts';
import type { Turn } from '../transfer/download-queue.ts';
import { draftPeer } from '../transfer/draft-peer.ts';
import type { MountedDraft } from '../transfer/mounted-draft.ts';
import type { BlobTarget } from '../transfer/piece-source.ts';
import type { PrefixHash } from '../transfer/prefix-hash.ts';
import { childController } from '../util/deadline.ts';
import { codeOf, messageOf } from '../util/errors.ts';
import type { BlobFetchParts, WantedBlob } from './blob-fetch.ts';
import type { DraftBook } from './draft-book.ts';
import { DraftReading } from './draft-reading.ts';
import { type BlobPhase, type FileFetch, PieceFetch } from './piece-fetch.ts';

export interface DraftFetchOptions {
  readonly draft: Draft;
  readonly mount: MountedDraft;
  readonly priority: 'normal' | 'high';
}

export interface DraftFetchParts extends BlobFetchParts {
  readonly blake3: Blake3Engine;
  readonly drafts: DraftBook;
  readonly runs: Pick<RunExchange, 'sign' | 'follow'>;
  /** The origin's list is not true any more. */
  readonly relist: () => void;
}

/**
 * Fetches a file that nobody has hashed, together with all nodes that want it now: one of them reads it from the origin
 * and tells the hashes as it goes, the others check what they get by these. All that is known by then is the name that
 * the file has as a draft; what sha256 it has each node computes for itself.
 */
export class DraftFetch implements FileFetch {
  readonly #options: DraftFetchOptions;
  readonly #parts: DraftFetchParts;
  readonly #pieces: PieceFetch;
  readonly #refused = new Set<string>();
  #phase: BlobPhase = 'queued';

  constructor(options: DraftFetchOptions, parts: DraftFetchParts) {
    this.#options = options;
    this.#parts = parts;
    this.#pieces = new PieceFetch({ ...parts, onSourcesChange: (listener) => parts.locator.onChange(listener) });
  }

  get name(): string {
    return this.#options.draft.id;
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

  release(): void {
    this.#pieces.release();
  }

  /** @throws ShoalError `changed` when it is being written, `disk-full` */
  async run(reservation: Reservation, signal: AbortSignal): Promise<StagedFile> {
    const { id, sizeBytes } = this.#options.draft;
    const job = { sha256: id, sizeBytes, priority: this.#options.priority };
    const work = async (turn: Turn, until: AbortSignal): Promise<StagedFile> => {
      for (;;) {
        const staged = await this.#attempt(turn, reservation, until);
        if (staged !== undefined) return staged;
      }
    };
    return await this.#parts.queue.run(job, work, signal);
  }

  /** Undefined when it has to be begun anew because a reader has lied. */
  async #attempt(turn: Turn, reservation: Reservation, signal: AbortSignal): Promise<StagedFile | undefined> {
    const { store, drafts, relist, log } = this.#parts;
    const { draft } = this.#options;
    this.#phase = 'starting';
    const partial = await store.partials.create({ ...draft, sha256: draft.id, draftOf: draft.path });
    const reading = this.#reading(partial);
    await reading.resume();
    const { controller, release } = childController(signal);
    const close = drafts.open(reading.growing);
    const failing = reading.run(controller.signal);
    const gathering = this.#gather(reading, { partial, turn, reservation }, controller.signal);
    try {
      return await Promise.race([gathering, failing]);
    } catch (error) {
      controller.abort();
      close();
      await Promise.allSettled([gathering, failing]);
      this.release();
      // What was read and not told yet would have to be read again.
      if (signal.aborted) await reading.flush();
      await reading.close();
      if (signal.aborted || !['changed', 'source-lied'].includes(codeOf(error))) throw error;
      log.warn({ path: draft.path, problem: messageOf(error) }, 'what was fetched of a file is thrown away');
      await store.partials.discard(draft.id);
      if (codeOf(error) === 'source-lied') return undefined;
      relist();
      throw error;
    } finally {
      controller.abort();
      release();
      await Promise.allSettled([failing]);
      await reading.close();
    }
  }

  #reading(partial: Partial): DraftReading {
    const { locator, runs, download, log } = this.#parts;
    const { draft, mount } = this.#options;
    const { clock, random, metrics, blame, limiters } = download;
    return new DraftReading(
      {
        draft,
        self: locator.self,
        fetchers: () => locator.fetchers(blobOf(draft)),
        isReachable: (peerId) => locator.isReachable(peerId),
        isMember: (peerId) => locator.isMember(peerId),
        hasCompany: () => locator.hasCompany(),
        refused: this.#refused,
      },
      {
        ...{ mount, clock, random, metrics, blame, log, runs, limiter: limiters?.origin },
        runLog: new RunLog({ dir: partial.dir, draft: draft.id }),
      },
    );
  }

  async #gather(
    reading: DraftReading,
    run: { partial: Partial; turn: Turn; reservation: Reservation },
    signal: AbortSignal,
  ): Promise<StagedFile> {
    const { plane, locator } = this.#parts;
    const { draft, mount } = this.#options;
    const { growing, rule } = reading;
    const { dir, sha256, sizeBytes, path } = run.partial;
    const target: BlobTarget = { sha256, manifest: growing.manifest, partial: { dir, sha256, sizeBytes } };
    const have = await plane.recheck(target, signal);
    this.#phase = 'fetching';
    using whole = plane.hashPrefix({ path, sizeBytes, have });
    const peerParts = { growing, judge: (index: number, peer: string) => reading.judge(index, peer, signal) };
    const origin = mount.opener(reading.listener);
    const sources = () => [...locator.peers(blobOf(draft)).map((opener) => draftPeer(opener, peerParts)), origin];
    await this.#pieces.run(target, { ...run, have, whole, origins: { originRule: rule }, sources }, signal);
    this.#phase = 'verifying';
    await reading.flush();
    await reading.checks.settled(signal);
    const staged = await this.#named(reading, whole, { from: path, signal });
    this.#phase = 'done';
    return staged;
  }

  /** All of it is here: it has its manifest, and its name. */
  async #named(
    { growing }: DraftReading,
    whole: PrefixHash,
    { from, signal }: { from: string; signal: AbortSignal },
  ): Promise<StagedFile> {
    const { store, drafts, blake3 } = this.#parts;
    const { draft } = this.#options;
    const sha256 = await whole.digest(signal);
    const bytes = encodeManifest({ ...growing.manifest, sha256 });
    await store.catalog.putManifest(bytes);
    drafts.finished(draft.id, sha256);
    return { path: draft.path, sha256, manifest: manifestCid(bytes, blake3), from };
  }
}

/** As what it is announced and found. */
function blobOf({ id, path, sizeBytes, manifest }: Draft): WantedBlob {
  return { path, sizeBytes, manifest, sha256: id };
}
