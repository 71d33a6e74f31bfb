import { closeSync, fstatSync, ftruncateSync, openSync, readSync } from 'node:fs';
import type { FileStamp } from '../../store/file-stamp.ts';
import { readFully, writeFully } from './full-io.ts';

const HASH_BYTES = 32;

/**
 * Which pieces of an unfinished copy are there: 40 bytes that name the source (size, mtime, ctime, inode, device), then
 * the BLAKE3 of each piece, appended after the piece was written. Of another source, it is begun anew.
 */
export class CopyJournal {
  readonly pieces: Uint8Array[];
  readonly #fd: number;

  private constructor(fd: number, pieces: Uint8Array[]) {
    this.#fd = fd;
    this.pieces = pieces;
  }

  static open(path: string, source: FileStamp): CopyJournal {
    const fd = openSync(path, 'a+', 0o644);
    try {
      return new CopyJournal(fd, piecesIn(fd, headOf(source)));
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  append(hash: Uint8Array): void {
    writeFully(this.#fd, hash, fstatSync(this.#fd).size);
  }

  /** Forgets all pieces from `count` on. */
  truncate(count: number): void {
    ftruncateSync(this.#fd, HEAD_BYTES + count * HASH_BYTES);
    this.pieces.length = count;
  }

  close(): void {
    closeSync(this.#fd);
  }
}

const HEAD_BYTES = 40;

function headOf(stamp: FileStamp): Uint8Array {
  const view = new DataView(new ArrayBuffer(HEAD_BYTES));
  const { sizeBytes, mtimeNs, ctimeNs, inode, device } = stamp;
  for (const [at, value] of [BigInt(sizeBytes), mtimeNs, ctimeNs, inode, device].entries()) {
    view.setBigUint64(at * 8, BigInt.asUintN(64, value), true);
  }
  return new Uint8Array(view.buffer);
}

function piecesIn(fd: number, head: Uint8Array): Uint8Array[] {
  const { size } = fstatSync(fd);
  const found = new Uint8Array(head.length);
  if (size >= head.length) readFully(fd, found, 0);
  if (Buffer.compare(found, head) !== 0) {
    ftruncateSync(fd, 0);
    writeFully(fd, head, 0);
    return [];
  }
  // A torn last record is cut off, or what follows it would be misread.
  const count = Math.floor((size - head.length) / HASH_BYTES);
  ftruncateSync(fd, head.length + count * HASH_BYTES);
  const bytes = new Uint8Array(count * HASH_BYTES);
  readSync(fd, bytes, 0, bytes.length, head.length);
  return chunksOf(bytes);
}

function chunksOf(bytes: Uint8Array): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += HASH_BYTES) chunks.push(bytes.subarray(at, at + HASH_BYTES));
  return chunks;
}
