import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { loadBlake3 } from '../content/blake3.ts';
import { manifestCid } from '../content/cid.ts';
import { encodeManifest } from '../content/manifest.ts';
import { geometryOf } from '../content/piece-geometry.ts';
import { errnoOf, messageOf } from '../util/errors.ts';
import { type FileStamp, sameStamp, stampOf } from './file-stamp.ts';
import type { HashOrder, HashReply } from './hasher.ts';
import { describeHeader } from './model-header.ts';

/** Entry of a hashing worker: one file at a time, both digests in one read. */

const READ_BYTES = 2 * 1024 * 1024;
/** The tokenizer in a GGUF header takes some MiB; what lies beyond is not looked at. */
const HEADER_MAX_BYTES = 16 * 1024 * 1024;
const PROGRESS_BYTES = 64 * 1024 * 1024;

const port = parentPort;
if (port === null) throw new Error('hash-worker.ts runs in a worker thread');
const blake3 = await loadBlake3();
const buffer = new Uint8Array(READ_BYTES);

port.on('message', (order: HashOrder) => {
  try {
    hash(order);
  } catch (error) {
    const reply: HashReply = { kind: 'failed', errno: errnoOf(error), message: messageOf(error) };
    port.postMessage(reply);
  }
});

function hash({ path }: HashOrder): void {
  // Not through a link: what is hashed must be what lies there.
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const before = stampOf(fstatSync(fd, { bigint: true }));
    const digests = read(fd, before);
    const unchanged =
      sameStamp(before, stampOf(fstatSync(fd, { bigint: true }))) &&
      sameStamp(before, stampOf(statSync(path, { bigint: true })));
    if (digests === undefined || !unchanged) {
      port?.postMessage({ kind: 'changed' } satisfies HashReply);
      return;
    }
    const { header, ...rest } = digests;
    const described = describeHeader(path, header, before.sizeBytes);
    const manifestBytes = encodeManifest({ sizeBytes: before.sizeBytes, ...rest });
    const reply: HashReply = {
      kind: 'hashed',
      stamp: before,
      sha256: rest.sha256,
      manifestBytes,
      manifestCid: manifestCid(manifestBytes, blake3),
      ...described,
    };
    port?.postMessage(reply);
  } finally {
    closeSync(fd);
  }
}

interface Digests {
  readonly sha256: string;
  readonly pieceSizeBytes: number;
  readonly pieceHashes: Uint8Array;
  readonly header: Uint8Array;
}

/** Undefined when the file turned out shorter than its stamp says. */
function read(fd: number, stamp: FileStamp): Digests | undefined {
  const { sizeBytes, pieceSizeBytes, pieceCount } = geometryOf(stamp.sizeBytes);
  const whole = createHash('sha256');
  const pieceHashes = new Uint8Array(pieceCount * 32);
  let header = new Uint8Array(0);
  let told = 0;
  let at = 0;
  for (let index = 0; index < pieceCount; index += 1) {
    const piece = blake3.create();
    const end = Math.min(sizeBytes, (index + 1) * pieceSizeBytes);
    while (at < end) {
      const count = readSync(fd, buffer, 0, Math.min(READ_BYTES, end - at), at);
      if (count === 0) return undefined;
      const bytes = buffer.subarray(0, count);
      if (at < HEADER_MAX_BYTES) header = concat(header, bytes);
      whole.update(bytes);
      piece.update(bytes);
      at += count;
    }
    pieceHashes.set(piece.digest(), index * 32);
    if (at - told >= PROGRESS_BYTES) {
      port?.postMessage({ kind: 'progress', bytes: at - told } satisfies HashReply);
      told = at;
    }
  }
  port?.postMessage({ kind: 'progress', bytes: at - told } satisfies HashReply);
  return { sha256: whole.digest('hex'), pieceSizeBytes, pieceHashes, header };
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(a.length + b.length);
  joined.set(a);
  joined.set(b, a.length);
  return joined;
}
