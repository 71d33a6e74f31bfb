import { fstatSync, statSync } from 'node:fs';
import { sameStamp, stampOf } from '../../store/file-stamp.ts';
import { errnoOf, ShoalError } from '../../util/errors.ts';
import type { ServedFile } from '../data-orders.ts';
import type { FdCache } from './fd-cache.ts';
import { readFully } from './full-io.ts';

/**
 * A file that is being served. It is compared with its stamp before the first read and after each one: what was edited
 * meanwhile is never handed out as verified.
 */
export class ServedReading implements Disposable {
  readonly #served: ServedFile;
  readonly #file: ReturnType<FdCache['take']>;

  /** @throws ShoalError `changed`, also when the file is gone */
  constructor(served: ServedFile, files: FdCache) {
    this.#served = served;
    this.#file = take(served, files);
  }

  /** @throws ShoalError `changed` */
  read(into: Uint8Array, position: number): void {
    try {
      readFully(this.#file.fd, into, position);
      check(this.#served, this.#file.fd);
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      throw new ShoalError('changed', 'the file cannot be read any more', { cause: error });
    }
  }

  [Symbol.dispose](): void {
    this.#file.release();
  }
}

function take(served: ServedFile, files: FdCache): ReturnType<FdCache['take']> {
  for (let attempt = 1; ; attempt += 1) {
    let file: ReturnType<FdCache['take']> | undefined;
    try {
      file = files.take(served.path);
      check(served, file.fd);
      return file;
    } catch (error) {
      file?.release();
      // The cached descriptor may be that of an earlier file of this name.
      files.forget(served.path);
      if (attempt === 1 && errnoOf(error) === undefined) continue;
      if (errnoOf(error) === undefined) throw error;
      throw new ShoalError('changed', 'the file is not there any more', { cause: error });
    }
  }
}

function check(served: ServedFile, fd: number): void {
  const open = stampOf(fstatSync(fd, { bigint: true }));
  const named = stampOf(statSync(served.path, { bigint: true }));
  const { stamp } = served;
  const same =
    stamp === undefined
      ? open.inode === named.inode && open.device === named.device
      : sameStamp(open, stamp) && sameStamp(named, stamp);
  if (!same) throw new ShoalError('changed', 'the file is not what it was when it was hashed');
}
