import { fstatSync, statSync } from 'node:fs';
import { type FileStamp, sameStamp, stampOf } from '../../store/file-stamp.ts';
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
  /** What the file's name has to mean after each read; as long as it does, the open file is the same one. */
  readonly #opened: FileStamp;

  /** @throws ShoalError `changed`, also when the file is gone */
  constructor(served: ServedFile, files: FdCache) {
    this.#served = served;
    const { file, opened } = take(served, files);
    this.#file = file;
    this.#opened = opened;
  }

  /** @throws ShoalError `changed` */
  read(into: Uint8Array, position: number): void {
    try {
      readFully(this.#file.fd, into, position);
      check(this.#served, this.#opened);
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      throw new ShoalError('changed', 'the file cannot be read any more', { cause: error });
    }
  }

  [Symbol.dispose](): void {
    this.#file.release();
  }
}

function take(
  served: ServedFile,
  files: FdCache,
): { readonly file: ReturnType<FdCache['take']>; readonly opened: FileStamp } {
  for (let attempt = 1; ; attempt += 1) {
    let file: ReturnType<FdCache['take']> | undefined;
    try {
      file = files.take(served.path);
      const opened = stampOf(fstatSync(file.fd, { bigint: true }));
      check(served, opened);
      return { file, opened };
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

/** Of the open file only which one it is counts: whatever else happens to it shows under its name as well. */
function check({ path, stamp }: ServedFile, opened: FileStamp): void {
  const named = stampOf(statSync(path, { bigint: true }));
  const isNamed = opened.inode === named.inode && opened.device === named.device;
  if (!isNamed || (stamp !== undefined && !sameStamp(named, stamp))) {
    throw new ShoalError('changed', 'the file is not what it was when it was hashed');
  }
}
