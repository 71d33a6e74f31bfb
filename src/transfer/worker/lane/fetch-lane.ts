import { ShoalError } from '../../../util/errors.ts';
import type { LanePeer, PieceOrder } from '../../data-orders.ts';
import type { PieceReceiver } from '../../piece-asker.ts';
import type { Refusal } from '../../piece-wire.ts';
import { Gathering } from '../gathering.ts';
import type { PieceSink } from '../piece-sink.ts';
import { Progress, type TaskContext } from '../task.ts';
import type { LaneLines } from './lane-lines.ts';

/**
 * Fetches one piece over a lane into `sink`.
 * @throws ShoalError `not-found` for a piece that the peer refuses as not held, and as any source
 */
export async function fetchOverLane(
  order: PieceOrder & { readonly peer: LanePeer; readonly sha256: string },
  sink: PieceSink,
  lines: LaneLines,
  context: TaskContext,
): Promise<void> {
  const line = await lines.get(order.peer, context.signal);
  context.signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  const { length, index } = order.piece;
  const gathering = new Gathering(sink, { length, space: line.gathered });
  const progress = new Progress(context);
  const receiver: PieceReceiver = {
    place: (bytes) => gathering.place(bytes),
    write: (bytes) => {
      try {
        if (gathering.take(bytes)) resolve(undefined);
        progress.add(bytes.length);
      } catch (error) {
        // The disk's fault, not the line's: the other pieces go on.
        reject(error);
        request.cancel();
      }
    },
    refused: (refusal) => reject(refusalError(refusal)),
    lost: reject,
  };
  const request = line.request({ sha256: order.sha256, index, length }, receiver);
  const onAbort = (): void => {
    reject(context.signal.reason);
    request.cancel();
  };
  context.signal.addEventListener('abort', onAbort, { once: true });
  try {
    await promise;
  } finally {
    context.signal.removeEventListener('abort', onAbort);
  }
}

function refusalError(refusal: Refusal): ShoalError {
  switch (refusal) {
    case 'not-held':
      return new ShoalError('not-found', 'the peer does not hold the piece');
    case 'changed':
      return new ShoalError('source-gone', 'the peer has just lost the blob');
    case 'busy':
      return new ShoalError('source-busy', 'the peer is busy');
    case 'cancelled':
      return new ShoalError('source-lied', 'the peer cancelled what was not cancelled');
  }
}
