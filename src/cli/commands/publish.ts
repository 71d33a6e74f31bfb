import { formatBytes } from '../../util/bytes.ts';
import { errnoOf, ShoalError } from '../../util/errors.ts';
import { EXIT } from '../exit-codes.ts';
import type { Output } from '../output.ts';
import { createProgress } from '../progress.ts';

/** What hashing a directory has come to; the composition root adapts the store's to it. */
export interface PublishProgress {
  readonly path: string;
  readonly bytesTotal: number;
  readonly bytesDone: number;
  readonly bytesPerSecond: number;
}

export interface PublishResult {
  readonly models: number;
  readonly bytes: number;
  /** Files that had to be hashed; the others had not changed. */
  readonly hashedFiles: number;
}

export interface PublishParts {
  readonly publish: (onProgress: (progress: PublishProgress) => void, signal: AbortSignal) => Promise<PublishResult>;
  readonly out: Output;
}

export async function publishCommand(directory: string, parts: PublishParts, signal: AbortSignal): Promise<number> {
  const { publish, out } = parts;
  try {
    using progress = createProgress(out);
    const result = await publish((now) => {
      const { bytesTotal, bytesDone, bytesPerSecond, path } = now;
      const etaMs = bytesPerSecond > 0 ? ((bytesTotal - bytesDone) / bytesPerSecond) * 1000 : undefined;
      progress.update({
        label: path,
        bytesTotal,
        bytesDone,
        bytesPerSecond,
        ...(etaMs === undefined ? {} : { etaMs }),
        state: 'hashing',
        sources: 0,
      });
    }, signal);
    const hashed = result.hashedFiles === 0 ? 'nothing had changed' : `${counted(result.hashedFiles, 'file')} hashed`;
    progress.note(`${directory}: ${counted(result.models, 'model')}, ${formatBytes(result.bytes)}, ${hashed}`);
    return EXIT.done;
  } catch (error) {
    if (!signal.aborted) throw asUnwritable(error, directory);
    out.line('Interrupted. What has been hashed is kept: run it again to go on.');
    return EXIT.interrupted;
  }
}

/** The mistake nearly everybody makes once: to publish through the read-only mount of a node. */
function asUnwritable(error: unknown, directory: string): unknown {
  const errno = errnoOf(error);
  const { path, syscall } = error as NodeJS.ErrnoException;
  if (errno === undefined || path?.includes('/.shoal') !== true) return error;
  // On a read-only mount Node finds that the directory is not there, when it was to be made.
  if (!['EROFS', 'EACCES', 'EPERM'].includes(errno) && !(errno === 'ENOENT' && syscall === 'mkdir')) return error;
  return new ShoalError('conflict', `${directory}/.shoal cannot be written (${errno})`, {
    cause: error,
    remedy: 'Run it where the directory may be written, on the NAS itself or as its owner; nodes only read it.',
  });
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
