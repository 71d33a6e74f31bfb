import { createHash } from 'node:crypto';
import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Blake3Engine } from '../content/blake3.ts';
import { manifestCid } from '../content/cid.ts';
import { encodeManifest, type Manifest } from '../content/manifest.ts';
import { geometryOf } from '../content/piece-geometry.ts';
import { havePath } from '../store/partial-file.ts';
import type { Partial, PartialStore } from '../store/partial-store.ts';
import type { FileOrigin } from './file-origin.ts';
import type { OriginFile } from './origin.ts';

export interface CopiedBlob {
  /** Complete, verified against its own hashes, and ready to be installed. */
  readonly partial: Partial;
  readonly sha256: string;
  readonly manifest: Manifest;
  readonly manifestBytes: Uint8Array;
  readonly manifestCid: string;
  /** Of the whole, how much was there from an earlier attempt. */
  readonly resumedBytes: number;
}

/**
 * Fetches a file of a mounted directory that nobody has hashed: copied in order, hashed on the way, and turned into a
 * complete partial under the sha256 that came out. A copy that is interrupted, even by kill -9, goes on where it was.
 *
 * Order at the end: partial registered → copy renamed over it → have log written → journal removed. Before the rename
 * a crash leaves copy and journal, which are found whole; after it, what the have log lacks is fetched again.
 */
export class OriginCopy {
  readonly #partials: Pick<PartialStore, 'dir' | 'create'>;
  readonly #blake3: Blake3Engine;

  constructor(parts: { readonly partials: Pick<PartialStore, 'dir' | 'create'>; readonly blake3: Blake3Engine }) {
    this.#partials = parts.partials;
    this.#blake3 = parts.blake3;
  }

  /** @throws ShoalError `source-gone`, `source-stalled`, `changed` when the file is being written, `disk-full` */
  async run(
    origin: FileOrigin,
    file: Pick<OriginFile, 'path' | 'sizeBytes'>,
    onBytes: (bytes: number) => void,
    signal: AbortSignal,
  ): Promise<CopiedBlob> {
    const to = this.#filesOf(origin, file.path);
    await mkdir(this.#partials.dir, { recursive: true });
    const { sha256, pieceHashes, sizeBytes, pieceSizeBytes, resumedBytes } = await origin.copy(
      file,
      to,
      onBytes,
      signal,
    );
    const manifest: Manifest = { sizeBytes, pieceSizeBytes, sha256, pieceHashes };
    const manifestBytes = encodeManifest(manifest);
    const cid = manifestCid(manifestBytes, this.#blake3);
    const partial = await this.#partials.create({ sha256, sizeBytes, manifest: cid });
    await rename(to.file, partial.path);
    await writeFile(havePath(partial.dir, sha256), fullHaveLog(geometryOf(sizeBytes).pieceCount));
    await rm(to.journal, { force: true });
    return { partial, sha256, manifest, manifestBytes, manifestCid: cid, resumedBytes };
  }

  /** What an earlier attempt has left on the disk. */
  async begunBytes(origin: Pick<FileOrigin, 'url'>, path: string): Promise<number> {
    return (await stat(this.#filesOf(origin, path).file).catch(() => undefined))?.size ?? 0;
  }

  /** Nobody wants the file any more. */
  async discard(origin: Pick<FileOrigin, 'url'>, path: string): Promise<void> {
    const { file, journal } = this.#filesOf(origin, path);
    await rm(file, { force: true });
    await rm(journal, { force: true });
  }

  #filesOf(origin: Pick<FileOrigin, 'url'>, path: string): { file: string; journal: string } {
    const name = createHash('sha256').update(`${origin.url}\0${path}`).digest('hex');
    return { file: join(this.#partials.dir, `${name}.copy`), journal: join(this.#partials.dir, `${name}.journal`) };
  }
}

function fullHaveLog(pieceCount: number): Uint8Array {
  const log = Buffer.alloc(pieceCount * 4);
  for (let index = 0; index < pieceCount; index += 1) log.writeUInt32LE(index, index * 4);
  return log;
}
