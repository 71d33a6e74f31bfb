import type { Blake3Engine } from '../content/blake3.ts';
import { MANIFEST_MAX_BYTES } from '../content/manifest.ts';
import { INDEX_MAX_BYTES, INDEX_PATH } from '../store/published-index.ts';
import { ShoalError } from '../util/errors.ts';
import { cancellable } from './cancellable.ts';
import type { HttpRequest, HttpValidator } from './data-orders.ts';
import type { DataPlane } from './data-plane.ts';
import type { Origin, OriginModel } from './origin.ts';
import { fileUrl, type OriginAddress } from './origin-url.ts';
import type { BlobTarget, PieceSource } from './piece-source.ts';
import { checkedManifest, modelsOf, publishedManifestPath } from './published.ts';
import { WorkerSource } from './worker-source.ts';
import type { WorkerThread } from './worker-thread.ts';

export interface HttpOriginParts {
  readonly plane: DataPlane;
  readonly blake3: Blake3Engine;
}

/** A published directory behind a static web server. All its bytes are read in one worker, over connections kept open. */
export class HttpOrigin implements Origin {
  readonly url: string;
  readonly #address: Extract<OriginAddress, { kind: 'http' }>;
  readonly #plane: DataPlane;
  readonly #blake3: Blake3Engine;
  readonly #thread: WorkerThread;

  constructor(options: { readonly address: Extract<OriginAddress, { kind: 'http' }> }, parts: HttpOriginParts) {
    this.url = options.address.shown;
    this.#address = options.address;
    this.#plane = parts.plane;
    this.#blake3 = parts.blake3;
    this.#thread = parts.plane.mover();
  }

  async list(signal: AbortSignal): Promise<OriginModel[]> {
    try {
      return modelsOf(await this.#document(INDEX_PATH, INDEX_MAX_BYTES, signal));
    } catch (error) {
      if (!(error instanceof ShoalError) || error.code !== 'not-found') throw error;
      throw new ShoalError('invalid', 'the origin has no index', {
        cause: error,
        remedy: `Run "shoal publish" on the directory that the web server serves; it makes ${INDEX_PATH}.`,
      });
    }
  }

  async manifest(cid: string, signal: AbortSignal): Promise<Uint8Array> {
    const bytes = await this.#document(publishedManifestPath(cid), MANIFEST_MAX_BYTES, signal);
    return checkedManifest(bytes, cid, this.#blake3);
  }

  open(blob: BlobTarget, path: string, signal: AbortSignal): Promise<PieceSource> {
    signal.throwIfAborted();
    const request = this.#request(path);
    const { sizeBytes } = blob.manifest;
    // The first piece tells which version of the file it is; the others must be of the same.
    let validator: HttpValidator = {};
    const source = new WorkerSource<'fetch-http'>(
      { id: { kind: 'origin', id: this.url } },
      {
        blob: this.#plane.openBlob(blob),
        thread: () => this.#thread,
        order: (order) => ({ kind: 'fetch-http', ...order, request, sizeBytes, validator }),
        onFetched: (result) => {
          validator = result.validator;
        },
      },
    );
    return Promise.resolve(source);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #request(path: string): HttpRequest {
    return { url: fileUrl(this.#address.base, path), headers: this.#address.headers };
  }

  async #document(path: string, maxBytes: number, signal: AbortSignal): Promise<Uint8Array> {
    const order = { kind: 'http-document', request: this.#request(path), maxBytes } as const;
    const { bytes } = await cancellable(this.#thread.start<'http-document'>(order), signal);
    return bytes;
  }
}
