import { formatBytes } from '../../util/bytes.ts';
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
    if (!signal.aborted) throw error;
    out.line('Interrupted. What has been hashed is kept: run it again to go on.');
    return EXIT.interrupted;
  }
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
