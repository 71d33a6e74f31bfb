import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Bitfield } from '../content/bitfield.ts';
import type { Blake3Engine } from '../content/blake3.ts';
import { type Manifest, pieceHash } from '../content/manifest.ts';
import { geometryOf, pieceLength, pieceOffset } from '../content/piece-geometry.ts';
import { alignedBytes } from '../util/aligned-bytes.ts';

/**
 * A blob on its way: `<sha256>.part` holds the bytes at their final places, `<sha256>.have` is a log of the pieces that
 * were verified, a u32 (little-endian) each. A piece is logged after its bytes are written, in one append, so after a
 * kill at any moment the log names nothing that is not there; after a loss of power `recheckPartial` finds out.
 * Everything here is synchronous and without state of the main thread: it runs in worker threads, several at a time.
 */
export interface PartialFile {
  readonly fd: number;
  write(bytes: Uint8Array, position: number): void;
  /** Call only after every byte of the piece has been written and verified. */
  markHave(index: number): void;
  close(): void;
}

const RECHECK_STEP_BYTES = 1024 * 1024;
const HAVE_BYTES = 4;

export function partialPath(dir: string, sha256: string): string {
  return join(dir, `${sha256}.part`);
}

export function havePath(dir: string, sha256: string): string {
  return join(dir, `${sha256}.have`);
}

/** Opens or makes the two files. The `.part` has its final length from the start, as a hole. */
export function openPartial(dir: string, sha256: string, sizeBytes: number): PartialFile {
  const { O_RDWR, O_CREAT, O_NOFOLLOW, O_APPEND } = constants;
  const fd = openSync(partialPath(dir, sha256), O_RDWR | O_CREAT | O_NOFOLLOW, 0o644);
  let log: number | undefined;
  try {
    if (fstatSync(fd).size !== sizeBytes) ftruncateSync(fd, sizeBytes);
    log = openSync(havePath(dir, sha256), O_RDWR | O_CREAT | O_NOFOLLOW | O_APPEND, 0o644);
    mendHave(log);
  } catch (error) {
    closeSync(fd);
    if (log !== undefined) closeSync(log);
    throw error;
  }
  return partialFile(fd, log);
}

function partialFile(fd: number, log: number): PartialFile {
  return {
    fd,
    write(bytes, position) {
      let written = 0;
      while (written < bytes.length)
        written += writeSync(fd, bytes, written, bytes.length - written, position + written);
    },
    markHave(index) {
      const entry = Buffer.alloc(HAVE_BYTES);
      entry.writeUInt32LE(index);
      if (writeSync(log, entry) === HAVE_BYTES) return;
      mendHave(log);
      throw Object.assign(new Error('ENOSPC: the have log was cut short'), { code: 'ENOSPC' });
    },
    close() {
      closeSync(fd);
      closeSync(log);
    },
  };
}

/** A full disk or a loss of power can leave a part of an entry; what is appended after it would be read askew. */
function mendHave(log: number): void {
  const { size } = fstatSync(log);
  if (size % HAVE_BYTES !== 0) ftruncateSync(log, size - (size % HAVE_BYTES));
}

/** What the log claims; a torn last entry and indices outside the blob are passed over. */
export function readHave(dir: string, sha256: string, pieceCount: number): Bitfield {
  const have = new Bitfield(pieceCount);
  let log: Buffer;
  try {
    log = readFileSync(havePath(dir, sha256));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return have;
    throw error;
  }
  for (let at = 0; at + HAVE_BYTES <= log.length; at += HAVE_BYTES) {
    const index = log.readUInt32LE(at);
    if (index < pieceCount) have.add(index);
  }
  return have;
}

/** Every byte is there and verified. */
export function claimAll(dir: string, sha256: string, pieceCount: number): void {
  const log = Buffer.alloc(pieceCount * HAVE_BYTES);
  for (let index = 0; index < pieceCount; index += 1) log.writeUInt32LE(index, index * HAVE_BYTES);
  writeFileSync(havePath(dir, sha256), log);
}

/** Whether the log names any piece at all. */
export async function claimsPieces(dir: string, sha256: string): Promise<boolean> {
  try {
    return (await stat(havePath(dir, sha256))).size >= HAVE_BYTES;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

/** Which of the pieces that the log claims match their hash. */
export function recheckPartial(dir: string, manifest: Manifest, blake3: Blake3Engine): Bitfield {
  const steps = recheckSteps(dir, manifest, blake3);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** The same piece by piece, yielding the bytes just read, so that a worker can do other work in between. */
export function* recheckSteps(dir: string, manifest: Manifest, blake3: Blake3Engine): Generator<number, Bitfield> {
  const geometry = geometryOf(manifest.sizeBytes);
  const claimed = readHave(dir, manifest.sha256, geometry.pieceCount);
  const sound = new Bitfield(geometry.pieceCount);
  if (claimed.count === 0) return sound;
  const fd = openSync(partialPath(dir, manifest.sha256), 'r');
  const step = alignedBytes(RECHECK_STEP_BYTES);
  try {
    for (const index of claimed.indices()) {
      const hash = blake3.create();
      const end = pieceOffset(geometry, index) + pieceLength(geometry, index);
      for (let at = pieceOffset(geometry, index); at < end; ) {
        const read = readSync(fd, step, 0, Math.min(step.length, end - at), at);
        if (read === 0) break;
        hash.update(step.subarray(0, read));
        at += read;
      }
      if (Buffer.compare(hash.digest(), pieceHash(manifest, index)) === 0) sound.add(index);
      yield pieceLength(geometry, index);
    }
  } finally {
    closeSync(fd);
  }
  return sound;
}
