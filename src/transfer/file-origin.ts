import { join } from 'node:path';
import type { Blake3Engine } from '../content/blake3.ts';
import type { Draft } from '../content/draft.ts';
import { MANIFEST_MAX_BYTES } from '../content/manifest.ts';
import { parseModelPath } from '../content/model-path.ts';
import { groupModels } from '../content/model-rules.ts';
import { INDEX_MAX_BYTES, INDEX_PATH } from '../store/published-index.ts';
import { ShoalError } from '../util/errors.ts';
import type { CopyResult } from './data-orders.ts';
import type { DataPlane } from './data-plane.ts';
import { runOnMount } from './mount-thread.ts';
import { MountedDraft } from './mounted-draft.ts';
import type { Origin, OriginFile, OriginModel } from './origin.ts';
import type { OriginAddress } from './origin-url.ts';
import type { BlobTarget, PieceSource } from './piece-source.ts';
import { checkedManifest, modelsOf, publishedManifestPath } from './published.ts';
import { WorkerSource } from './worker-source.ts';
import type { WorkerThread } from './worker-thread.ts';

const MAX_FILES = 100_000;

export interface FileOriginParts {
  readonly plane: DataPlane;
  readonly blake3: Blake3Engine;
}

/**
 * A mounted directory, published or not. Every system call on it runs in a thread of its own, because a mount whose
 * server is gone lets them hang for ever.
 */
export class FileOrigin implements Origin {
  readonly url: string;
  readonly #root: string;
  readonly #plane: DataPlane;
  readonly #blake3: Blake3Engine;
  readonly #thread: WorkerThread;

  constructor(options: { readonly address: Extract<OriginAddress, { kind: 'file' }> }, parts: FileOriginParts) {
    this.url = options.address.shown;
    this.#root = options.address.root;
    this.#plane = parts.plane;
    this.#blake3 = parts.blake3;
    this.#thread = parts.plane.dedicate(`origin ${this.#root}`);
  }

  /** What the index says where there is one; else what lies there, without digests. */
  async list(signal: AbortSignal): Promise<OriginModel[]> {
    let index: Uint8Array;
    try {
      index = await this.#document(INDEX_PATH, INDEX_MAX_BYTES, signal);
    } catch (error) {
      if (error instanceof ShoalError && error.code === 'not-found') return await this.#unpublished(signal);
      throw error;
    }
    return modelsOf(index);
  }

  async manifest(cid: string, signal: AbortSignal): Promise<Uint8Array> {
    const bytes = await this.#document(publishedManifestPath(cid), MANIFEST_MAX_BYTES, signal);
    return checkedManifest(bytes, cid, this.#blake3);
  }

  open(blob: BlobTarget, path: string, signal: AbortSignal): Promise<PieceSource> {
    signal.throwIfAborted();
    const full = this.#path(path);
    const { sizeBytes } = blob.manifest;
    const source = new WorkerSource<'fetch-file'>(
      { id: { kind: 'origin', id: this.url } },
      {
        blob: this.#plane.openBlob(blob),
        thread: () => this.#thread,
        order: (order) => ({ kind: 'fetch-file', ...order, path: full, sizeBytes }),
      },
    );
    return Promise.resolve(source);
  }

  /**
   * Copies a file that nobody has hashed, and computes its digests on the way; see `OriginCopy`.
   * @throws ShoalError `source-gone`, `source-stalled`, `changed`, `disk-full`
   */
  async copy(
    file: Pick<OriginFile, 'path' | 'sizeBytes'>,
    to: { readonly file: string; readonly journal: string },
    onBytes: (bytes: number) => void,
    signal: AbortSignal,
  ): Promise<CopyResult> {
    const from = this.#path(file.path);
    const gate = this.#thread.openGate();
    const order = {
      kind: 'copy-file',
      from,
      sizeBytes: file.sizeBytes,
      to: to.file,
      journal: to.journal,
      gate: gate.key,
    } as const;
    const onFact = (fact: { readonly kind: string; readonly bytes?: number }): void => {
      if (fact.kind === 'progress' && fact.bytes !== undefined) onBytes(fact.bytes);
    };
    try {
      return await runOnMount<'copy-file'>(this.#thread, order, { onFact }, signal);
    } finally {
      // A copy that was given up must not go on writing when its mount comes back.
      await gate.close();
    }
  }

  /** A file that nobody has hashed: pieces of it, and their hashes. */
  draft(draft: Draft): MountedDraft {
    const path = this.#path(draft.path);
    return new MountedDraft({ url: this.url, path, draft }, { plane: this.#plane, thread: this.#thread });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** Paths come from an index or from other nodes: none may lead out of the directory. */
  #path(path: string): string {
    return join(this.#root, parseModelPath(path));
  }

  async #document(path: string, maxBytes: number, signal: AbortSignal): Promise<Uint8Array> {
    const order = { kind: 'file-document', path: join(this.#root, path), maxBytes } as const;
    const { bytes } = await runOnMount<'file-document'>(this.#thread, order, {}, signal);
    return bytes;
  }

  async #unpublished(signal: AbortSignal): Promise<OriginModel[]> {
    const order = { kind: 'list-files', root: this.#root, maxFiles: MAX_FILES } as const;
    const { files } = await runOnMount<'list-files'>(this.#thread, order, {}, signal);
    const stamps = new Map(files.map(({ path, stamp }) => [path, stamp]));
    return groupModels(stamps.keys())
      .filter((group) => group.complete)
      .map(({ id, aliases, paths }) => ({
        id,
        aliases,
        files: paths.flatMap((path) => {
          const stamp = stamps.get(path);
          return stamp === undefined ? [] : [{ path, sizeBytes: stamp.sizeBytes, modifiedNs: String(stamp.mtimeNs) }];
        }),
      }));
  }
}
