import { fstatSync, statSync } from 'node:fs';
import { sameStamp, stampOf } from '../../store/file-stamp.ts';
import { errnoOf, ShoalError } from '../../util/errors.ts';
import type { ServedFile } from '../data-orders.ts';
import type { FdCache } from './fd-cache.ts';
import { readFully } from './full-io.ts';
import { breathe, type TaskContext } from './task.ts';

/** What one send to a libp2p stream takes: large enough to be cheap, small enough that encrypting it blocks ~1 ms. */
export const SLICE_BYTES = 256 * 1024;

/**
 * Posts a stretch of a file slice by slice, as fast as the main thread asks for more. The file is compared with its
 * stamp before and after every read: what was edited meanwhile is never handed out as verified.
 * @throws ShoalError `changed`, also when the file is gone
 */
export async function serveFile(
  order: { readonly file: ServedFile; readonly offset: number; readonly length: number; readonly slices: number },
  files: FdCache,
  context: TaskContext,
): Promise<void> {
  const credit = new Credit(order.slices, context);
  const file = takeFile(order.file, files);
  try {
    for (let at = 0; at < order.length; at += SLICE_BYTES) {
      await credit.take();
      const length = Math.min(SLICE_BYTES, order.length - at);
      const buffer = new ArrayBuffer(length);
      check(order.file, file.fd);
      readFully(file.fd, new Uint8Array(buffer), order.offset + at);
      check(order.file, file.fd);
      context.tell({ kind: 'slice', buffer, length }, [buffer]);
      await breathe(context.signal);
    }
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    throw new ShoalError('changed', 'the file cannot be read any more', { cause: error });
  } finally {
    file.release();
  }
}

function takeFile(served: ServedFile, files: FdCache): ReturnType<FdCache['take']> {
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

/** How many slices may still be posted; the reader's speed sets it. */
class Credit {
  #slices: number;
  #wake: (() => void) | undefined;
  readonly #signal: AbortSignal;

  constructor(slices: number, context: TaskContext) {
    this.#slices = slices;
    this.#signal = context.signal;
    context.signal.addEventListener('abort', () => this.#wake?.(), { once: true });
    context.onControl((control) => {
      if (control.kind !== 'more') return;
      this.#slices += control.slices;
      this.#wake?.();
    });
  }

  async take(): Promise<void> {
    while (this.#slices === 0) {
      this.#signal.throwIfAborted();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#signal.throwIfAborted();
    this.#slices -= 1;
  }
}
