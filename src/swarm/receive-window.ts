import type { Stream } from '@libp2p/interface';

/** A stream of yamux as it is inside (@chainsafe/libp2p-yamux 8): its types keep these to themselves. */
interface YamuxInside {
  readonly state: number;
  readonly recvWindow: number;
  readonly recvWindowCapacity: number;
  sendWindowUpdate(): void;
}

/** Opened and acknowledged, not paused; in the other states an update also carries what the other side waits for. */
const ESTABLISHED = 3;

/**
 * yamux answers every frame with a window update. On a stream of many short messages that doubles the packets, and a packet
 * costs both ends a turn of the main thread with two ciphers. The window is told anew when half of it is used up, as
 * other implementations of yamux do.
 */
export function announceWindowSeldom(stream: Stream): void {
  if (!isYamux(stream)) return;
  const announce = stream.sendWindowUpdate.bind(stream);
  stream.sendWindowUpdate = () => {
    const usedBytes = stream.recvWindow - stream.recvWindowCapacity;
    if (stream.state !== ESTABLISHED || usedBytes >= stream.recvWindow / 2) announce();
  };
}

/** Another muxer, or another version of this one, is left as it is. */
function isYamux(stream: object): stream is YamuxInside {
  const { state, recvWindow, recvWindowCapacity, sendWindowUpdate } = stream as Partial<YamuxInside>;
  return (
    [state, recvWindow, recvWindowCapacity].every((value) => typeof value === 'number') &&
    typeof sendWindowUpdate === 'function'
  );
}
