import type { Draft } from '../content/draft.ts';
import { codeOf } from '../util/errors.ts';
import type { DataPlane } from './data-plane.ts';
import { runOnMount } from './mount-thread.ts';
import { type BlobTarget, type Piece, type PieceSource, type SourceOpener } from './piece-source.ts';
import { WorkerSource } from './worker-source.ts';
import type { WorkerThread } from './worker-thread.ts';

export interface MountedDraftOptions {
  /** Of the origin. */
  readonly url: string;
  readonly path: string;
  readonly draft: Draft;
}

export interface DraftReadingListener {
  /** What lies on the mount, read and written into the partial. */
  hashed(index: number, hash: Uint8Array): void;
  /** The file is another one now. */
  changed(error: unknown): void;
}

/**
 * The thread of the mount reads some MiB in one go, and would wait for the next order after each piece of it: on a busy
 * machine that is as long as the reading.
 */
const WINDOW_BYTES = 4 * 2 ** 20;
const LEAST_PIECES = 2;

function windowOf({ manifest }: BlobTarget): number {
  return Math.max(LEAST_PIECES, WINDOW_BYTES / manifest.pieceSizeBytes);
}

/** One file of a mounted origin that nobody has hashed: what is read of it is right by definition. */
export class MountedDraft {
  readonly url: string;
  readonly #path: string;
  readonly #draft: Draft;
  readonly #parts: { readonly plane: DataPlane; readonly thread: WorkerThread };

  constructor(options: MountedDraftOptions, parts: { readonly plane: DataPlane; readonly thread: WorkerThread }) {
    this.url = options.url;
    this.#path = options.path;
    this.#draft = options.draft;
    this.#parts = parts;
  }

  /** The mount as a source of pieces, whose hashes it tells before the pieces count as being there. */
  opener(listener: DraftReadingListener): SourceOpener {
    const id = { kind: 'origin', id: this.url } as const;
    return { id, open: (blob) => Promise.resolve(this.#open(blob, listener)) };
  }

  /**
   * The hash of one piece as it lies on the mount.
   * @throws ShoalError `source-gone`, `source-stalled`, `changed`
   */
  async hash(piece: Pick<Piece, 'offset' | 'length'>, signal: AbortSignal): Promise<Uint8Array> {
    const { offset, length } = piece;
    const order = { kind: 'hash-file', ...this.#file(), piece: { offset, length } } as const;
    return (await runOnMount<'hash-file'>(this.#parts.thread, order, {}, signal)).hash;
  }

  #open(blob: BlobTarget, listener: DraftReadingListener): PieceSource {
    const { plane, thread } = this.#parts;
    const source = new WorkerSource<'read-file'>(
      { id: { kind: 'origin', id: this.url }, leastWindow: windowOf(blob) },
      {
        blob: plane.openBlob(blob),
        thread: () => thread,
        order: (order) => ({ kind: 'read-file', ...order, ...this.#file() }),
        onFetched: ({ index, hash }) => listener.hashed(index, hash),
        judge: (error) => {
          if (codeOf(error) === 'changed') listener.changed(error);
          return Promise.resolve(error);
        },
      },
    );
    return source;
  }

  #file(): { path: string; sizeBytes: number; modifiedNs: bigint } {
    const { sizeBytes, modifiedNs } = this.#draft;
    return { path: this.#path, sizeBytes, modifiedNs: BigInt(modifiedNs) };
  }
}
