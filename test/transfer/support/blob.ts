import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadBlake3 } from '../../../src/content/blake3.ts';
import { encodeManifest, type Manifest, pieceHash } from '../../../src/content/manifest.ts';
import { geometryOf, pieceLength, pieceOffset } from '../../../src/content/piece-geometry.ts';
import type { BlobTarget, Piece } from '../../../src/transfer/piece-source.ts';
import { randomBytesOf } from '../../support/random-body.ts';

/** Three pieces of 256 KiB and a short last one. */
export const BLOB_BYTES = 3 * 256 * 1024 + 1000;

export class TestFolder implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async make(): Promise<TestFolder> {
    return new TestFolder(await mkdtemp(join(tmpdir(), 'shoal-transfer-')));
  }

  async folder(name: string): Promise<string> {
    const path = join(this.path, name);
    await mkdir(path, { recursive: true });
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}

/** A blob of seeded bytes with its manifest, to be fetched into a partial of its own. */
export class TestBlob {
  readonly bytes: Uint8Array;
  readonly manifest: Manifest;

  private constructor(bytes: Uint8Array, manifest: Manifest) {
    this.bytes = bytes;
    this.manifest = manifest;
  }

  static async make(options: { seed: string; sizeBytes?: number }): Promise<TestBlob> {
    const { seed, sizeBytes = BLOB_BYTES } = options;
    const bytes = randomBytesOf(seed, sizeBytes);
    const blake3 = await loadBlake3();
    const geometry = geometryOf(sizeBytes);
    const pieceHashes = new Uint8Array(geometry.pieceCount * 32);
    for (let index = 0; index < geometry.pieceCount; index += 1) {
      const offset = pieceOffset(geometry, index);
      pieceHashes.set(blake3.hash(bytes.subarray(offset, offset + pieceLength(geometry, index))), index * 32);
    }
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const { pieceSizeBytes } = geometry;
    return new TestBlob(bytes, { sizeBytes, pieceSizeBytes, sha256, pieceHashes });
  }

  get sha256(): string {
    return this.manifest.sha256;
  }

  get pieceCount(): number {
    return geometryOf(this.manifest.sizeBytes).pieceCount;
  }

  get manifestBytes(): Uint8Array {
    return encodeManifest(this.manifest);
  }

  piece(index: number): Piece {
    const geometry = geometryOf(this.manifest.sizeBytes);
    const offset = pieceOffset(geometry, index);
    return { index, offset, length: pieceLength(geometry, index), hash: pieceHash(this.manifest, index) };
  }

  pieces(): Piece[] {
    return Array.from({ length: this.pieceCount }, (_, index) => this.piece(index));
  }

  bytesOf(piece: Piece): Uint8Array {
    return this.bytes.slice(piece.offset, piece.offset + piece.length);
  }

  target(dir: string): BlobTarget {
    const { sha256, sizeBytes } = this.manifest;
    return { sha256, manifest: this.manifest, partial: { dir, sha256, sizeBytes } };
  }

  /** What the partial holds where `piece` belongs. */
  async written(dir: string, piece: Piece): Promise<Uint8Array> {
    const whole = await readFile(join(dir, `${this.sha256}.part`));
    return whole.subarray(piece.offset, piece.offset + piece.length);
  }

  /** The pieces in the have log, in the order of their arrival. */
  async have(dir: string): Promise<number[]> {
    const log = await readFile(join(dir, `${this.sha256}.have`)).catch(() => Buffer.alloc(0));
    return Array.from({ length: Math.floor(log.length / 4) }, (_, n) => log.readUInt32LE(n * 4));
  }
}
