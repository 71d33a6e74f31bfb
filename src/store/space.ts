import { statfs } from 'node:fs/promises';
import { formatBytes } from '../util/bytes.ts';
import { ShoalError } from '../util/errors.ts';

export interface SpaceOptions {
  readonly modelsDir: string;
  /** What models may use together; the whole disk when absent. */
  readonly cacheMaxBytes?: number;
}

export interface SpaceParts {
  /** Bytes of what is installed or on its way already, and of the models that could be removed to make room. */
  readonly usage: () => { readonly usedBytes: number; readonly removableBytes: number };
}

export interface Reservation extends Disposable {
  /** So much of it has been written by now, and is no longer only promised. */
  written(bytes: number): void;
}

/** Some room stays free: a disk that is full to the last byte hurts every program on it. */
const KEEP_FREE_BYTES = 64 * 2 ** 20;
/** On a small disk the room that stays is a share of it. */
const KEEP_FREE_SHARE = 0.02;

/** Promises of disk space, so that two downloads that each would fit do not fill the disk together. */
export class DiskSpace {
  readonly #options: SpaceOptions;
  readonly #parts: SpaceParts;
  readonly #promised = new Map<symbol, number>();

  constructor(options: SpaceOptions, parts: SpaceParts) {
    this.#options = options;
    this.#parts = parts;
  }

  get reservedBytes(): number {
    let sum = 0;
    for (const bytes of this.#promised.values()) sum += bytes;
    return sum;
  }

  async disk(): Promise<{ totalBytes: number; freeBytes: number }> {
    const { blocks, bavail, bsize } = await statfs(this.#options.modelsDir);
    return { totalBytes: blocks * bsize, freeBytes: bavail * bsize };
  }

  /** What a new download may use now; negative when too much is promised. */
  async availableBytes(): Promise<number> {
    return this.#available(await this.disk());
  }

  #available({ totalBytes, freeBytes }: { totalBytes: number; freeBytes: number }): number {
    const keep = Math.min(KEEP_FREE_BYTES, Math.floor(totalBytes * KEEP_FREE_SHARE));
    const onDisk = freeBytes - keep;
    const { cacheMaxBytes } = this.#options;
    const inBudget = cacheMaxBytes === undefined ? Infinity : cacheMaxBytes - this.#parts.usage().usedBytes;
    return Math.min(onDisk, inBudget) - this.reservedBytes;
  }

  /** Promises `bytes`, until disposed. @throws ShoalError `disk-full` with what is missing and what could go */
  async reserve(bytes: number): Promise<Reservation> {
    const disk = await this.disk();
    // Nothing is awaited between the look and the promise, or two would be promised the same room.
    const available = this.#available(disk);
    if (available < bytes) throw this.#full(bytes, available);
    const key = Symbol('reservation');
    this.#promised.set(key, bytes);
    return {
      written: (count) => {
        const open = this.#promised.get(key);
        if (open !== undefined) this.#promised.set(key, Math.max(0, open - count));
      },
      [Symbol.dispose]: () => {
        this.#promised.delete(key);
      },
    };
  }

  #full(neededBytes: number, availableBytes: number): ShoalError {
    const missingBytes = neededBytes - availableBytes;
    const { removableBytes } = this.#parts.usage();
    const why = this.#options.cacheMaxBytes === undefined ? 'the disk' : 'the budget of --cache-max or the disk';
    const could =
      removableBytes > 0
        ? `Models that are not pinned use ${formatBytes(removableBytes)}: "shoal rm" the ones you do not need.`
        : 'Free space on the disk of the models directory.';
    return new ShoalError(
      'disk-full',
      `no space: ${formatBytes(missingBytes)} (${missingBytes} bytes) too little on ${why}, ${formatBytes(neededBytes)} are needed`,
      {
        remedy: `${could} The download starts by itself when there is room.`,
        fields: { missingBytes, neededBytes, freeBytes: Math.max(0, availableBytes), couldFreeBytes: removableBytes },
      },
    );
  }
}
