import { fstatSync, readSync } from 'node:fs';
import { alignedBytes } from '../../util/aligned-bytes.ts';
import { ShoalError } from '../../util/errors.ts';
import type { FdCache } from './fd-cache.ts';
import { type OriginPieceOrder, openOriginFile, refuseChanged } from './fetch-file.ts';
import { breathe, Progress, sourceError, type TaskContext } from './task.ts';

/** In one go: each go costs a look at the file's time, a round trip where nothing keeps it, and so does each read. */
const AHEAD_BYTES = 1024 * 1024;
/** Another file under the name is noticed so much later; until then what is read is of the file as it was listed. */
const NAME_CHECK_MS = 1000;

type DraftPieceOrder = OriginPieceOrder & { readonly modifiedNs: bigint };

/**
 * Reads pieces of a file for the first time, which are asked for nearly in order: a little ahead, so that a mount far
 * away is not asked four times for each. After each reading the file is looked at: what was read before a change of its
 * time is older than the change, and stays good however long it is kept.
 */
export class FirstReading {
  #buffer: Uint8Array | undefined;
  #path = '';
  #modifiedNs: bigint | undefined;
  #start = 0;
  #end = 0;
  #namedMs = -Infinity;

  /** @throws ShoalError `source-gone`, `changed` */
  async read(
    order: DraftPieceOrder,
    sink: { write(bytes: Uint8Array): void },
    files: FdCache,
    context: TaskContext,
  ): Promise<void> {
    const progress = new Progress(context);
    const end = order.piece.offset + order.piece.length;
    for (let at = order.piece.offset; at < end; ) {
      if (!this.#holds(order, at)) this.#fill(order, at, files);
      const bytes =
        this.#buffer?.subarray(at - this.#start, Math.min(end, this.#end) - this.#start) ?? new Uint8Array();
      sink.write(bytes);
      at += bytes.length;
      progress.add(bytes.length);
      await breathe(context.signal);
    }
  }

  #holds({ path, modifiedNs }: DraftPieceOrder, at: number): boolean {
    return path === this.#path && modifiedNs === this.#modifiedNs && at >= this.#start && at < this.#end;
  }

  #fill(order: DraftPieceOrder, at: number, files: FdCache): void {
    const nowMs = performance.now();
    const isNamed = order.path === this.#path && nowMs - this.#namedMs < NAME_CHECK_MS;
    this.#end = this.#start;
    const file = isNamed ? files.take(order.path) : openOriginFile(order, files);
    if (!isNamed) this.#namedMs = nowMs;
    this.#path = order.path;
    this.#modifiedNs = order.modifiedNs;
    try {
      const buffer = (this.#buffer ??= alignedBytes(AHEAD_BYTES));
      const read = readSync(file.fd, buffer, 0, Math.min(AHEAD_BYTES, order.sizeBytes - at), at);
      if (read === 0) throw new ShoalError('source-gone', "the origin's file has become shorter");
      refuseChanged(fstatSync(file.fd, { bigint: true }), order);
      this.#start = at;
      this.#end = at + read;
    } catch (error) {
      // After an error the descriptor may be dead for good, as NFS's stale handles are.
      files.forget(order.path);
      this.#namedMs = -Infinity;
      throw sourceError(error);
    } finally {
      file.release();
    }
  }
}
