import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync, realpathSync, statSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { loadBlake3 } from '../content/blake3.ts';
import { manifestCid } from '../content/cid.ts';
import { encodeManifest } from '../content/manifest.ts';
import { geometryOf } from '../content/piece-geometry.ts';
import { alignedBytes } from '../util/aligned-bytes.ts';
import { codeOf, errnoOf, messageOf } from '../util/errors.ts';
import { giveWayToMainThread } from '../util/thread-priority.ts';
import { type FileStamp, sameStamp, stampOf } from './file-stamp.ts';
import type { HashOrder, HashReply } from './hasher.ts';
import { describeHeader } from './model-header.ts';

/** Entry of a hashing worker: one file at a time, both digests in one read, no more of it in memory than one step. */

const READ_BYTES = 2 * 1024 * 1024;
const PROGRESS_BYTES = 64 * 1024 * 1024;

const port = parentPort;
if (port === null) throw new Error('hash-worker.ts runs in a worker thread');
giveWayToMainThread();
const blake3 = await loadBlake3();
const buffer = alignedBytes(READ_BYTES);

port.on('message', (order: HashOrder) => {
  try {
    port.postMessage(answer(order));
  } catch (error) {
    const reply: HashReply = {
      kind: 'failed',
      code: codeOf(error),
      errno: errnoOf(error),
      message: messageOf(error),
    };
    port.postMessage(reply);
  }
});

function answer({ path, kind, as }: HashOrder): HashReply {
  // O_NOFOLLOW and the real path: through no link, so that nothing outside the directory is ever taken for part of it.
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stats = fstatSync(fd, { bigint: true });
    if (!stats.isFile() || realpathSync(path) !== path) return { kind: 'failed', code: 'not-found', message: 'a link' };
    const before = stampOf(stats);
    const metadata = describeHeader(fd, as ?? path, before.sizeBytes);
    const described = metadata === undefined ? {} : { metadata };
    if (kind === 'describe') return { kind: 'described', ...described };
    const digests = read(fd, before);
    const isSame = (): boolean =>
      sameStamp(before, stampOf(fstatSync(fd, { bigint: true }))) &&
      sameStamp(before, stampOf(statSync(path, { bigint: true })));
    if (digests === undefined || !isSame()) return { kind: 'changed' };
    const manifestBytes = encodeManifest({ sizeBytes: before.sizeBytes, ...digests });
    return {
      kind: 'hashed',
      stamp: before,
      sha256: digests.sha256,
      manifestBytes,
      manifestCid: manifestCid(manifestBytes, blake3),
      ...described,
    };
  } finally {
    closeSync(fd);
  }
}

interface Digests {
  readonly sha256: string;
  readonly pieceSizeBytes: number;
  readonly pieceHashes: Uint8Array;
}

/** Undefined when the file turned out shorter than its stamp says. */
function read(fd: number, stamp: FileStamp): Digests | undefined {
  const { sizeBytes, pieceSizeBytes, pieceCount } = geometryOf(stamp.sizeBytes);
  const whole = createHash('sha256');
  const pieceHashes = new Uint8Array(pieceCount * 32);
  let told = 0;
  let at = 0;
  // A step spans several small pieces or a part of a large one; both are powers of two.
  let piece = blake3.create();
  while (at < sizeBytes) {
    const count = readSync(fd, buffer, 0, Math.min(READ_BYTES, sizeBytes - at), at);
    if (count === 0) return undefined;
    whole.update(buffer.subarray(0, count));
    for (let done = 0; done < count; ) {
      const index = Math.floor((at + done) / pieceSizeBytes);
      const end = Math.min(sizeBytes, (index + 1) * pieceSizeBytes);
      const part = Math.min(count - done, end - at - done);
      piece.update(buffer.subarray(done, done + part));
      done += part;
      if (at + done < end) continue;
      pieceHashes.set(piece.digest(), index * 32);
      piece = blake3.create();
    }
    at += count;
    if (at - told < PROGRESS_BYTES) continue;
    tell(at - told);
    told = at;
  }
  tell(at - told);
  return { sha256: whole.digest('hex'), pieceSizeBytes, pieceHashes };
}

function tell(bytes: number): void {
  if (bytes > 0) port?.postMessage({ kind: 'progress', bytes } satisfies HashReply);
}
