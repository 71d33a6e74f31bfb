import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import type { Blake3Engine } from '../../content/blake3.ts';
import { alignedBytes } from '../../util/aligned-bytes.ts';
import { ShoalError } from '../../util/errors.ts';
import type { FdCache } from './fd-cache.ts';
import { breathe, Progress, sourceError, type TaskContext } from './task.ts';

const STEP_BYTES = 1024 * 1024;
const step = alignedBytes(STEP_BYTES);

export interface OriginPieceOrder {
  readonly path: string;
  readonly sizeBytes: number;
  /** Where it has to be the file as it was listed. */
  readonly modifiedNs?: bigint;
  readonly piece: { readonly offset: number; readonly length: number };
}

/**
 * Copies one piece out of a file of a mounted origin. All calls that could hang are synchronous, so a dead mount holds
 * up this thread and nothing else.
 * @throws ShoalError `source-gone` for a file that is missing, shorter or of another size than it should have, `changed`
 *   for one that has been written since it was listed
 */
export async function readOriginPiece(
  order: OriginPieceOrder,
  sink: { write(bytes: Uint8Array): void },
  files: FdCache,
  context: TaskContext,
): Promise<void> {
  const progress = new Progress(context);
  const file = openOriginFile(order, files);
  try {
    for (let at = 0; at < order.piece.length; ) {
      const wanted = Math.min(STEP_BYTES, order.piece.length - at);
      const read = readStep(file.fd, wanted, order.piece.offset + at);
      if (read === 0) throw new ShoalError('source-gone', "the origin's file has become shorter");
      sink.write(step.subarray(0, read));
      at += read;
      progress.add(read);
      await breathe(context.signal);
    }
    // After the last byte: what was read before a change of the time is older than the change.
    if (order.modifiedNs !== undefined) refuseChanged(fstatSync(file.fd, { bigint: true }), order);
  } catch (error) {
    // After an error the descriptor may be dead for good, as NFS's stale handles are.
    files.forget(order.path);
    throw error;
  } finally {
    file.release();
  }
}

/** The file that the name means now, lent until `release`. @throws ShoalError `source-gone` */
export function openOriginFile(
  order: { readonly path: string; readonly sizeBytes: number },
  files: FdCache,
): ReturnType<FdCache['take']> {
  let file: ReturnType<FdCache['take']> | undefined;
  try {
    file = files.take(order.path);
    let stats = fstatSync(file.fd);
    const named = statSync(order.path);
    if (named.ino !== stats.ino || named.dev !== stats.dev) {
      // Replaced since it was opened: what counts is what the name means now.
      file.release();
      files.forget(order.path);
      file = files.take(order.path);
      stats = fstatSync(file.fd);
    }
    if (!stats.isFile() || stats.size !== order.sizeBytes) {
      throw new ShoalError('source-gone', `the origin's file has ${stats.size} bytes, not ${order.sizeBytes}`);
    }
    return file;
  } catch (error) {
    file?.release();
    files.forget(order.path);
    throw sourceError(error);
  }
}

/** @throws ShoalError `changed` */
export function refuseChanged(stats: { readonly mtimeNs: bigint }, { modifiedNs }: OriginPieceOrder): void {
  if (modifiedNs === undefined || stats.mtimeNs === modifiedNs) return;
  throw new ShoalError('changed', "the origin's file has been written since it was listed", {
    remedy: 'It is fetched anew, as it is now.',
  });
}

function readStep(fd: number, length: number, position: number): number {
  try {
    return readSync(fd, step, 0, length, position);
  } catch (error) {
    throw sourceError(error);
  }
}

/** The BLAKE3 of one piece, read and not kept. @throws ShoalError as `readOriginPiece` */
export async function hashOriginPiece(
  order: OriginPieceOrder,
  files: FdCache,
  blake3: Blake3Engine,
  context: TaskContext,
): Promise<{ hash: Uint8Array }> {
  const hash = blake3.create();
  await readOriginPiece(order, { write: (bytes) => void hash.update(bytes) }, files, context);
  return { hash: Uint8Array.from(hash.digest()) };
}

/** @throws ShoalError `not-found`, `invalid` when larger than `maxBytes`, `source-gone` */
export function readOriginDocument(path: string, maxBytes: number): Uint8Array {
  try {
    const fd = openSync(path, 'r');
    try {
      const { size } = fstatSync(fd);
      if (size > maxBytes) throw new ShoalError('invalid', `${path} is larger than ${maxBytes} bytes`);
      const bytes = new Uint8Array(size);
      let at = 0;
      while (at < size) {
        const read = readSync(fd, bytes, at, size - at, at);
        if (read === 0) break;
        at += read;
      }
      return bytes.subarray(0, at);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new ShoalError('not-found', `${path} does not exist`, { cause: error });
    }
    throw sourceError(error);
  }
}
