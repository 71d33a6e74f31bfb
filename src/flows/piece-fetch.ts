import type { Bitfield } from '../content/bitfield.ts';
import { geometryOf, pieceLength } from '../content/piece-geometry.ts';
import type { Partial } from '../store/partial-store.ts';
import type { Reservation } from '../store/space.ts';
import type { Store } from '../store/store.ts';
import { Download, type DownloadOptions, type DownloadParts } from '../transfer/download.ts';
import type { DownloadProgress, DownloadState } from '../transfer/download-progress.ts';
import type { Turn } from '../transfer/download-queue.ts';
import { type BlobTarget, type SourceOpener, sourceKey } from '../transfer/piece-source.ts';
import type { PrefixHash } from '../transfer/prefix-hash.ts';
import { childController } from '../util/deadline.ts';
import { Wake } from '../util/wake.ts';
import type { Holdings } from './holdings.ts';

/** Where one file's fetching has come to; what a transfer shows is put together from these. */
export interface FileFetch {
  /** The sha256, or what a draft has instead; the queue knows it by that. */
  readonly name: string;
  readonly phase: BlobPhase;
  readonly progress: DownloadProgress | undefined;
  readonly refetchedBytes: number;
  readonly state: DownloadState | undefined;
  /**
   * It is installed, or given up, and what there is of it is not served as a partial any more. Until then it is: others
   * who fetch the model at the same time have no use for a node that falls silent while it verifies, or waits for the
   * model's other files.
   */
  release(): void;
}

export type BlobPhase = 'queued' | 'starting' | 'fetching' | 'verifying' | 'done';

export interface PieceFetchParts {
  readonly store: Store;
  readonly holdings: Holdings;
  readonly download: Omit<DownloadParts, 'hasRoom'>;
  /** Calls back when sources may have come or gone; returns how to end that. */
  readonly onSourcesChange: (listener: () => void) => () => void;
  /** A partial is served from now on, or not any more. */
  readonly onHoldings: (sha256: string) => void;
  readonly onPiece: (sha256: string, index: number) => void;
}

export interface PieceRun {
  readonly partial: Partial;
  readonly have: Bitfield;
  readonly turn: Turn;
  readonly reservation: Reservation;
  readonly whole: PrefixHash;
  readonly origins: Pick<DownloadOptions, 'sharedOrigins' | 'originRule'>;
  /** Who has it now; asked again and again. */
  readonly sources: () => SourceOpener[];
}

/** Sources come and go without telling, too: somebody whose record is late, an origin that is back. */
const LOOK_FOR_SOURCES_MS = 2_000;

/** Gathers the pieces of one blob, in as many attempts as it takes, and serves them meanwhile and until it is released. */
export class PieceFetch {
  readonly #parts: PieceFetchParts;
  #download: Download | undefined;
  #last: DownloadProgress | undefined;
  #earlierRefetchedBytes = 0;
  #release: () => void = () => undefined;

  constructor(parts: PieceFetchParts) {
    this.#parts = parts;
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

  release(): void {
    this.#release();
  }

  async run(target: BlobTarget, run: PieceRun, signal: AbortSignal): Promise<void> {
    const { store, holdings, download: parts, onPiece, onHoldings } = this.#parts;
    const { partial, have, turn, reservation, whole } = run;
    const geometry = geometryOf(target.manifest.sizeBytes);
    const download = new Download(
      { blob: target, have, ...run.origins },
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
    const following = this.#followSources(download, run.sources, controller.signal);
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

  async #followSources(download: Download, sources: () => SourceOpener[], signal: AbortSignal): Promise<void> {
    const wake = new Wake();
    const unlisten = this.#parts.onSourcesChange(() => wake.notify());
    let known = new Map<string, SourceOpener>();
    try {
      while (!signal.aborted) {
        const now = new Map(sources().map((opener) => [sourceKey(opener.id), opener]));
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
}
