import type { Control } from '../data-orders.ts';
import type { PieceSink } from './piece-sink.ts';
import type { TaskContext } from './task.ts';

/** Takes the chunks of a piece from the main thread and gives each buffer back as soon as its bytes are on disk. */
export async function receiveChunks(sink: PieceSink, context: TaskContext): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    context.signal.addEventListener('abort', () => reject(context.signal.reason as Error), { once: true });
    context.onControl((control: Control) => {
      if (control.kind !== 'chunk') return;
      try {
        sink.write(new Uint8Array(control.buffer, 0, control.length));
        if (control.last) resolve();
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
      } finally {
        context.tell({ kind: 'consumed', buffer: control.buffer }, [control.buffer]);
      }
    });
  });
}
