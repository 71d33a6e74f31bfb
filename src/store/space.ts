import { statfs } from 'node:fs/promises';
import { diskFull } from './disk-full.ts';

export interface SpaceOptions {
  readonly modelsDir: string;
  /** What models may use together; the whole disk when absent. */
  readonly cacheMaxBytes?: number;
}

export interface SpaceUsage {
  /** Models that are installed. */
  readonly usedBytes: number;
  /** Of these, what could be removed to make room. */
  readonly removableBytes: number;
  /** Pieces of models on their way. */
  readonly partialBytes: number;
}

export interface SpaceParts {
  readonly usage: () => SpaceUsage;
}

export interface Disk {
  readonly totalBytes: number;
  readonly freeBytes: number;
}

export interface Room {
  readonly freeBytes: number;
  /** What downloads may use together, those under way included. */
  readonly bytes: number;
  /** What sets the limit, with its article. */
  readonly of: string;
}

export interface Reservation extends Disposable {
  /** So much of it has been written by now, and is no longer only promised. */
  written(bytes: number): void;
}

interface SpacePromise {
  missingBytes: number;
  /** On the disk, and counted nowhere else. */
  asideBytes: number;
}

/** Some room stays free: a disk that is full to the last byte hurts every program on it, our own state first. */
const KEEP_FREE_BYTES = 64 * 2 ** 20;
/** On a small disk the room that stays is a share of it. */
const KEEP_FREE_SHARE = 0.02;

/** Promises of disk space, so that two downloads that each would fit do not fill the disk together. */
export class DiskSpace {
  readonly #options: SpaceOptions;
  readonly #parts: SpaceParts;
  readonly #promises = new Set<SpacePromise>();
  #latest: Disk | undefined;

  constructor(options: SpaceOptions, parts: SpaceParts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** Promised and not written yet. */
  get reservedBytes(): number {
    let sum = 0;
    for (const { missingBytes } of this.#promises) sum += missingBytes;
    return sum;
  }

  /** To be shown: no bytes at all while the models directory cannot be reached, which must end nobody who only looks. */
  async disk(): Promise<Disk> {
    return await this.#measured().catch(() => ({ totalBytes: 0, freeBytes: 0 }));
  }

  /** What was measured last, for who cannot wait; undefined while the models directory cannot be reached. */
  get latest(): Disk | undefined {
    return this.#latest;
  }

  /** What a new download may use now; negative when too much is promised. */
  async availableBytes(): Promise<number> {
    return this.#available(await this.#measured()).bytes;
  }

  /** @throws when the models directory cannot be reached */
  async room(): Promise<Room> {
    const disk = await this.#measured();
    const { bytes, of } = this.#available(disk);
    return { freeBytes: disk.freeBytes, bytes: bytes + this.reservedBytes, of };
  }

  /**
   * Promises `bytes`, until disposed. For a download that goes on: only what is not on the disk yet.
   * @param aside.bytesThere of a file that is no partial what is on the disk already: it and what is written then fill the
   * budget as well
   * @throws ShoalError `disk-full` with what is missing and what could go
   */
  async reserve(bytes: number, aside?: { readonly bytesThere: number }): Promise<Reservation> {
    const disk = await this.#measured();
    // No await from here on: two that ask at the same time must not be promised the same bytes.
    const promise: SpacePromise = { missingBytes: 0, asideBytes: aside?.bytesThere ?? 0 };
    this.#promises.add(promise);
    const available = this.#available(disk);
    if (available.bytes < bytes) {
      this.#promises.delete(promise);
      const couldFreeBytes = this.#parts.usage().removableBytes;
      throw diskFull({ neededBytes: bytes, availableBytes: available.bytes, couldFreeBytes, where: available.of });
    }
    promise.missingBytes = bytes;
    return {
      written: (count) => {
        promise.missingBytes = Math.max(0, promise.missingBytes - count);
        if (aside !== undefined) promise.asideBytes += count;
      },
      [Symbol.dispose]: () => {
        this.#promises.delete(promise);
      },
    };
  }

  async #measured(): Promise<Disk> {
    try {
      const { blocks, bavail, bsize } = await statfs(this.#options.modelsDir);
      this.#latest = { totalBytes: blocks * bsize, freeBytes: bavail * bsize };
      return this.#latest;
    } catch (error) {
      this.#latest = undefined;
      throw error;
    }
  }

  #available({ totalBytes, freeBytes }: Disk): { bytes: number; of: string } {
    const keep = Math.min(KEEP_FREE_BYTES, Math.floor(totalBytes * KEEP_FREE_SHARE));
    const onDisk = { bytes: freeBytes - keep - this.reservedBytes, of: 'the disk of the models directory' };
    const { cacheMaxBytes } = this.#options;
    if (cacheMaxBytes === undefined) return onDisk;
    const { usedBytes, partialBytes } = this.#parts.usage();
    let asideBytes = 0;
    for (const promise of this.#promises) asideBytes += promise.asideBytes;
    const inBudget = cacheMaxBytes - usedBytes - partialBytes - asideBytes - this.reservedBytes;
    return inBudget < onDisk.bytes ? { bytes: inBudget, of: 'the budget that --cache-max sets' } : onDisk;
  }
}
