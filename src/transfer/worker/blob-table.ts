import { openPartial, type PartialFile } from '../../store/partial-file.ts';
import type { PartialPlace, PieceOrder } from '../data-orders.ts';
import { diskError } from './task.ts';

interface OpenBlob {
  readonly place: PartialPlace;
  file: PartialFile | undefined;
}

/** The partial files this worker writes to; each is opened when its first piece comes. */
export class BlobTable {
  readonly #blobs = new Map<number, OpenBlob>();

  open(blob: number, place: PartialPlace): void {
    this.#blobs.set(blob, { place, file: undefined });
  }

  close(blob: number): void {
    this.#blobs.get(blob)?.file?.close();
    this.#blobs.delete(blob);
  }

  target(order: PieceOrder): { file: PartialFile; dir: string } {
    const blob = this.#blobs.get(order.blob);
    if (blob === undefined) throw new Error(`blob ${order.blob} is not open`);
    const { dir, sha256, sizeBytes } = blob.place;
    try {
      blob.file ??= openPartial(dir, sha256, sizeBytes);
    } catch (error) {
      throw diskError(error);
    }
    return { file: blob.file, dir };
  }
}
