import type { Stream } from '@libp2p/interface';
import { Uint8ArrayList } from 'uint8arraylist';
import { withDeadline } from '../util/deadline.ts';
import { isAbort, ShoalError } from '../util/errors.ts';

const LENGTH_BYTES = 4;
/** Above this the sender is paused, so that unread frames wait at the sender and not here. */
const READ_AHEAD_BYTES = 256 * 1024;
const WRITE_SLICE_BYTES = 64 * 1024;

/**
 * Messages with a length of four bytes (big-endian) in front, over one stream. A length is checked before anything is
 * kept for it, and bytes are kept as they come and never ahead of them.
 */
export class FramedStream {
  readonly stream: Stream;
  readonly #maxBytes: number;
  readonly #drainMs: number;
  readonly #buffer = new Uint8ArrayList();
  #wantedBytes = LENGTH_BYTES;
  #ended = false;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;

  /** @param options.drainMs how long the other side may take nothing of what is written */
  constructor(stream: Stream, options: { readonly maxBytes: number; readonly drainMs?: number }) {
    this.stream = stream;
    this.#maxBytes = options.maxBytes;
    this.#drainMs = options.drainMs ?? Infinity;
    stream.addEventListener('close', (event) => {
      this.#failure = event.error;
      this.#ended = true;
      this.#wake?.();
    });
    stream.addEventListener('end', () => {
      this.#ended = true;
      this.#wake?.();
    });
    stream.addEventListener('message', (event) => {
      this.#buffer.append(event.data);
      if (this.#buffer.byteLength > this.#wantedBytes + READ_AHEAD_BYTES && stream.readStatus === 'readable')
        stream.pause();
      this.#wake?.();
    });
    if (stream.readableEnded || stream.status !== 'open') this.#ended = stream.readBufferLength === 0;
  }

  /**
   * The next message, or undefined when the other side has closed between two.
   * @throws ShoalError `source-lied` for a frame above the limit or cut off, `source-gone` for a broken stream
   */
  async read(signal: AbortSignal, maxBytes = this.#maxBytes): Promise<Uint8Array | undefined> {
    if (!(await this.#has(LENGTH_BYTES, signal))) {
      if (this.#buffer.byteLength === 0) return undefined;
      throw this.#fail(new ShoalError('source-lied', 'a message ends within its length'));
    }
    const length = this.#buffer.getUint32(0);
    if (length > maxBytes) {
      throw this.#fail(new ShoalError('source-lied', `a message of ${length} bytes is above the limit of ${maxBytes}`));
    }
    if (!(await this.#has(LENGTH_BYTES + length, signal))) {
      throw this.#fail(new ShoalError('source-lied', `a message of ${length} bytes ends early`));
    }
    const message = this.#buffer.slice(LENGTH_BYTES, LENGTH_BYTES + length);
    this.#buffer.consume(LENGTH_BYTES + length);
    this.#wantedBytes = LENGTH_BYTES;
    return message;
  }

  /** Like `read`, where the other side owes a message. */
  async expect(signal: AbortSignal, maxBytes = this.#maxBytes): Promise<Uint8Array> {
    const message = await this.read(signal, maxBytes);
    if (message === undefined) throw new ShoalError('source-gone', 'the other side closed instead of answering');
    return message;
  }

  /** Resolves when the message is with the transport, which holds back while the receiver is slow. */
  async write(message: Uint8Array, signal: AbortSignal): Promise<void> {
    const length = new Uint8Array(LENGTH_BYTES);
    new DataView(length.buffer).setUint32(0, message.length);
    let slice = new Uint8ArrayList(length, message.subarray(0, WRITE_SLICE_BYTES));
    for (let offset = WRITE_SLICE_BYTES; ; offset += WRITE_SLICE_BYTES) {
      await sendWithin(this.stream, slice, { drainMs: this.#drainMs }, signal);
      if (offset >= message.length) return;
      slice = new Uint8ArrayList(message.subarray(offset, offset + WRITE_SLICE_BYTES));
    }
  }

  /** Ends our side; what was written still arrives. */
  async close(signal: AbortSignal): Promise<void> {
    try {
      await this.stream.close({ signal });
    } catch (error) {
      this.abort(error instanceof Error ? error : new Error(String(error)));
    }
  }

  abort(error: Error): void {
    this.stream.abort(error);
  }

  async #has(bytes: number, signal: AbortSignal): Promise<boolean> {
    this.#wantedBytes = bytes;
    while (this.#buffer.byteLength < bytes) {
      if (this.stream.readStatus === 'paused') this.stream.resume();
      if (this.#buffer.byteLength >= bytes) return true;
      if (this.#failure !== undefined) {
        throw new ShoalError('source-gone', 'the stream broke', { cause: this.#failure });
      }
      if (this.#ended) return false;
      await this.#news(signal);
    }
    return true;
  }

  #news(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#wake = undefined;
        reject(signal.reason as Error);
      };
      if (signal.aborted) {
        onAbort();
        return;
      }
      signal.addEventListener('abort', onAbort, { once: true });
      this.#wake = () => {
        this.#wake = undefined;
        signal.removeEventListener('abort', onAbort);
        resolve();
      };
    });
  }

  #fail(error: ShoalError): ShoalError {
    this.abort(error);
    return error;
  }
}

/**
 * Sends and waits until the stream takes more. (`stream.onDrain()` of libp2p 3.3 makes its promise once and never again:
 * after the first time it resolves at once and the write buffer grows without bound. The event is right.)
 * @throws ShoalError `source-gone`
 */
export async function sendAll(stream: Stream, bytes: Uint8Array | Uint8ArrayList, signal: AbortSignal): Promise<void> {
  await sendWithin(stream, bytes, { drainMs: Infinity }, signal);
}

/**
 * The same, for as long as the other side takes something within `drainMs`: cheaper than a deadline around each message.
 * @throws ShoalError `source-gone`, and an error named `TimeoutError`
 */
export async function sendWithin(
  stream: Stream,
  bytes: Uint8Array | Uint8ArrayList,
  { drainMs }: { readonly drainMs: number },
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  try {
    stream.send(bytes);
    while (stream.writableNeedsDrain) await drainedWithin(stream, drainMs, signal);
  } catch (error) {
    if (isAbort(error) || error instanceof ShoalError) throw error;
    throw new ShoalError('source-gone', 'the stream broke', { cause: error });
  }
}

async function drainedWithin(stream: Stream, ms: number, signal: AbortSignal): Promise<void> {
  if (ms === Infinity) await drained(stream, signal);
  else await withDeadline(ms, (deadline) => drained(stream, deadline), signal);
}

function drained(stream: Stream, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (finish: () => void) => (): void => {
      stream.removeEventListener('drain', onDrain);
      stream.removeEventListener('close', onClose);
      signal.removeEventListener('abort', onAbort);
      finish();
    };
    const onDrain = settle(resolve);
    const onClose = settle(() => reject(new ShoalError('source-gone', 'the stream was closed while sending')));
    const onAbort = settle(() => reject(signal.reason as Error));
    if (signal.aborted) {
      onAbort();
      return;
    }
    if (stream.writeStatus === 'closed') {
      onClose();
      return;
    }
    stream.addEventListener('drain', onDrain);
    stream.addEventListener('close', onClose);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}
