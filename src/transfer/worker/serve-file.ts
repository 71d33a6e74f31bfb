import type { ServedFile } from '../data-orders.ts';
import type { FdCache } from './fd-cache.ts';
import { ServedReading } from './served-reading.ts';
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
  using reading = new ServedReading(order.file, files);
  for (let at = 0; at < order.length; at += SLICE_BYTES) {
    await credit.take();
    const length = Math.min(SLICE_BYTES, order.length - at);
    const buffer = new ArrayBuffer(length);
    reading.read(new Uint8Array(buffer), order.offset + at);
    context.tell({ kind: 'slice', buffer, length }, [buffer]);
    await breathe(context.signal);
  }
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
