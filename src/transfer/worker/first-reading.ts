import { fstatSync, readSync } from 'node:fs';
import { alignedBytes } from '../../util/aligned-bytes.ts';
import { ShoalError } from '../../util/errors.ts';
import type { FdCache } from './fd-cache.ts';
import { type OriginPieceOrder, openOriginFile, refuseChanged } from './fetch-file.ts';
import { breathe, Progress, sourceError, type TaskContext } from './task.ts';

/**
 * In one go: each costs a look at the file's time, and where nothing keeps that a round trip, which stands in line behind
 * whatever the mount reads ahead. So goes grow while the file is read in order, but the first pieces are soon told.
 */
const FIRST_GO_BYTES = 256 * 1024;
const LONGEST_GO_BYTES = 2 * 1024 * 1024;
/** Of one system call; and none more when a go has taken so long, or it would be taken for a mount that hangs. */
const STEP_BYTES = 1024 * 1024;
const GO_MS = 500;
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
  #goBytes = FIRST_GO_BYTES;
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
    const isSameFile = order.path === this.#path && order.modifiedNs === this.#modifiedNs;
    const isNamed = isSameFile && nowMs - this.#namedMs < NAME_CHECK_MS;
    this.#goBytes = isSameFile && at === this.#end ? Math.min(LONGEST_GO_BYTES, this.#goBytes * 2) : FIRST_GO_BYTES;
    this.#end = this.#start;
    const file = isNamed ? files.take(order.path) : openOriginFile(order, files);
    if (!isNamed) this.#namedMs = nowMs;
    this.#path = order.path;
    this.#modifiedNs = order.modifiedNs;
    try {
      const read = this.#go(file.fd, at, Math.min(this.#goBytes, order.sizeBytes - at));
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

  /** How much of what is wanted has been read: less where that takes long. @throws ShoalError `source-gone` */
  #go(fd: number, at: number, wanted: number): number {
    const buffer = (this.#buffer ??= alignedBytes(LONGEST_GO_BYTES));
    const untilMs = performance.now() + GO_MS;
    let read = 0;
    do {
      const step = readSync(fd, buffer, read, Math.min(STEP_BYTES, wanted - read), at + read);
      if (step === 0) throw new ShoalError('source-gone', "the origin's file has become shorter");
      read += step;
    } while (read < wanted && performance.now() < untilMs);
    return read;
  }
}
