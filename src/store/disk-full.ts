import { formatBytes } from '../util/bytes.ts';
import { errnoOf, messageOf, ShoalError } from '../util/errors.ts';

export interface Shortage {
  readonly neededBytes: number;
  readonly availableBytes: number;
  /** Of models that are not pinned. */
  readonly couldFreeBytes: number;
  /** What is too small, with its article. */
  readonly where: string;
}

export function diskFull({ neededBytes, availableBytes, couldFreeBytes, where }: Shortage): ShoalError {
  const missingBytes = neededBytes - availableBytes;
  const could =
    couldFreeBytes > 0
      ? `Models that are not pinned use ${formatBytes(couldFreeBytes)}: "shoal rm" the ones you do not need.`
      : 'Free space on the disk of the models directory.';
  return new ShoalError(
    'disk-full',
    `no space: ${formatBytes(missingBytes)} (${missingBytes} bytes) are missing on ${where}, ${formatBytes(neededBytes)} are needed`,
    {
      remedy: `${could} The download starts by itself when there is room.`,
      fields: { missingBytes, neededBytes, freeBytes: Math.max(0, availableBytes), couldFreeBytes },
    },
  );
}

const BLOCK_BYTES = 4096;

/** A system call that failed for lack of space, as the error that callers know; anything else as it is. */
export function asDiskFull(error: unknown): unknown {
  const errno = errnoOf(error);
  // Level says it in words only.
  const isFull = errno === 'ENOSPC' || errno === 'EDQUOT' || /no space left on device/i.test(causesOf(error));
  if (!isFull || error instanceof ShoalError) return error;
  return new ShoalError('disk-full', 'the disk of the models directory or of the state is full', {
    cause: error,
    remedy: 'Free space on it; the download goes on by itself when there is room.',
    fields: { missingBytes: BLOCK_BYTES, freeBytes: 0 },
  });
}

function causesOf(error: unknown): string {
  const { cause } = error instanceof Error ? error : {};
  return `${messageOf(error)} ${messageOf(cause)}`;
}
