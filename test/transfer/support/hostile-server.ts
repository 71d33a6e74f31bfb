import {
  ANSWER_BYTES,
  decodeRequest,
  encodeAnswer,
  REQUEST_BYTES,
  RecordReader,
} from '../../../src/transfer/piece-wire.ts';
import type { TestBlob } from './blob.ts';

export type Trick =
  | 'corrupt' // a flipped byte
  | 'short' // ends in the middle
  | 'short-next' // half a piece, then the next one
  | 'long' // more than the piece has
  | 'endless' // data that nobody asked for, for ever
  | 'silent' // takes requests and says nothing
  | 'half' // half a piece, then silence
  | 'wrong-id' // answers what was not asked
  | 'garbage' // no record of the protocol at all
  | 'late' // honest, at the other end of a long line
  | 'denies' // does not hold what it claims to hold
  | 'resets';

/** What a libp2p stream and a lane's socket have in common, for a cheat. */
export interface CheatLine {
  readonly writeStatus: string;
  send(bytes: Uint8Array): unknown;
  close(): Promise<void>;
  abort(error: Error): void;
  addEventListener(
    type: 'message',
    listener: (event: { readonly data: Uint8Array | Iterable<Uint8Array> }) => void,
  ): void;
}

const LATE_MS = 150;

/** Speaks the piece protocol just well enough to cheat. */
export function cheat(stream: CheatLine, blob: TestBlob, trick: Trick): void {
  let answered = 0;
  const cancelled = new Set<number>();
  const reader = new RecordReader(REQUEST_BYTES);
  const send = (...parts: Uint8Array[]): void => {
    if (stream.writeStatus === 'writable') for (const part of parts) stream.send(part);
  };
  const data = (id: number, bytes: Uint8Array): void =>
    send(encodeAnswer({ kind: 'data', id, bytes: bytes.length }), bytes);
  const answer = (record: Uint8Array): void => {
    const request = decodeRequest(record);
    if (request.kind === 'cancel') {
      cancelled.add(request.id);
      return;
    }
    answered += 1;
    const { id } = request;
    const bytes = blob.bytesOf(blob.piece(request.index));
    const half = bytes.subarray(0, bytes.length >> 1);
    switch (trick) {
      case 'corrupt':
        bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 0x10;
        data(id, bytes);
        return;
      case 'short':
        data(id, half);
        void stream.close().catch(() => undefined);
        return;
      case 'short-next':
        data(id, half);
        data(id + 1, half);
        return;
      case 'long':
        data(id, Buffer.concat([bytes, new Uint8Array(1)]));
        return;
      case 'endless':
        data(id, bytes);
        for (let n = 0; n < 100; n += 1) data(id, new Uint8Array(10_000));
        return;
      case 'silent':
        return;
      case 'half':
        if (answered === 1) data(id, half);
        return;
      case 'wrong-id':
        data(id + 77, bytes);
        return;
      case 'garbage':
        send(new Uint8Array(ANSWER_BYTES).fill(0xff));
        return;
      case 'late':
        setTimeout(() => {
          if (cancelled.has(id)) send(encodeAnswer({ kind: 'cancelled', id, bytes: 0 }));
          else data(id, bytes);
        }, LATE_MS);
        return;
      case 'denies':
        send(encodeAnswer({ kind: 'not-held', id, bytes: 0 }));
        return;
      case 'resets':
        stream.abort(new Error('reset'));
        return;
    }
  };
  stream.addEventListener('message', ({ data: message }) => {
    for (const part of message instanceof Uint8Array ? [message] : message) {
      for (let rest = part; rest.length > 0; ) {
        const { taken, record } = reader.read(rest);
        rest = rest.subarray(taken);
        if (record !== undefined) answer(record);
      }
    }
  });
}
