import { isSha256, type Sha256 } from '../content/digest.ts';
import { ShoalError } from '../util/errors.ts';

/**
 * The bytes of `/shoal/piece/1`: fixed-size records, little-endian, so that a reader allocates nothing on a stranger's
 * word. One stream carries many requests; answers come in the order of the requests, a piece as any number of data
 * records that add up to exactly its length, or one of the refusals in place of what is missing.
 *
 *     request  48 bytes  u8 kind (1 get, 2 cancel), 3 zero, u32 id, u32 index, u32 zero, 32 bytes sha256 (cancel: zero)
 *     answer   12 bytes  u8 kind (below), 3 zero, u32 id, u32 n (data: n raw bytes follow; else 0)
 */
export const PIECE_PROTOCOL = '/shoal/piece/1';

export const REQUEST_BYTES = 48;
export const ANSWER_BYTES = 12;
/** A server sends smaller ones; this bounds what a client has to believe. */
export const MAX_DATA_BYTES = 1024 * 1024;

export type PieceRequest =
  | { readonly kind: 'get'; readonly id: number; readonly sha256: Sha256; readonly index: number }
  | { readonly kind: 'cancel'; readonly id: number };

/** `not-held`: never had it; `changed`: had it until now; `busy`: ask later; `cancelled`: as asked. */
export type Refusal = 'not-held' | 'changed' | 'busy' | 'cancelled';

export interface PieceAnswer {
  readonly kind: 'data' | Refusal;
  readonly id: number;
  readonly bytes: number;
}

const ANSWER_KINDS: readonly PieceAnswer['kind'][] = ['data', 'not-held', 'changed', 'busy', 'cancelled'];

export function encodeRequest(request: PieceRequest): Uint8Array {
  const out = Buffer.alloc(REQUEST_BYTES);
  out.writeUInt8(request.kind === 'get' ? 1 : 2, 0);
  out.writeUInt32LE(request.id, 4);
  if (request.kind === 'get') {
    out.writeUInt32LE(request.index, 8);
    out.write(request.sha256, 16, 'hex');
  }
  return out;
}

/** @throws ShoalError `source-lied` for a record that no honest peer sends */
export function decodeRequest(record: Uint8Array): PieceRequest {
  const bytes = Buffer.from(record.buffer, record.byteOffset, record.byteLength);
  const kind = bytes.readUInt8(0);
  const id = bytes.readUInt32LE(4);
  if (bytes.readUIntLE(1, 3) !== 0 || bytes.readUInt32LE(12) !== 0) throw garbage('request');
  if (kind === 2) return { kind: 'cancel', id };
  const sha256 = bytes.toString('hex', 16, 48);
  if (kind !== 1 || !isSha256(sha256)) throw garbage('request');
  return { kind: 'get', id, sha256, index: bytes.readUInt32LE(8) };
}

export function encodeAnswer(answer: PieceAnswer): Uint8Array {
  const out = Buffer.alloc(ANSWER_BYTES);
  out.writeUInt8(ANSWER_KINDS.indexOf(answer.kind) + 1, 0);
  out.writeUInt32LE(answer.id, 4);
  out.writeUInt32LE(answer.bytes, 8);
  return out;
}

/** @throws ShoalError `source-lied` */
export function decodeAnswer(record: Uint8Array): PieceAnswer {
  const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
  const kind = ANSWER_KINDS[view.getUint8(0) - 1];
  const bytes = view.getUint32(8, true);
  const fits = kind === 'data' ? bytes > 0 && bytes <= MAX_DATA_BYTES : bytes === 0;
  if (kind === undefined || !fits || view.getUint8(1) !== 0 || view.getUint16(2, true) !== 0) throw garbage('answer');
  return { kind, id: view.getUint32(4, true), bytes };
}

/** Cuts a stream of bytes into records of one size; never holds more than one. */
export class RecordReader {
  readonly #record: Uint8Array;
  #filled = 0;

  constructor(recordBytes: number) {
    this.#record = new Uint8Array(recordBytes);
  }

  /** Takes bytes from the front of `bytes`; `record` is valid until the next call. */
  read(bytes: Uint8Array): { readonly taken: number; readonly record: Uint8Array | undefined } {
    const taken = Math.min(bytes.length, this.#record.length - this.#filled);
    this.#record.set(bytes.subarray(0, taken), this.#filled);
    this.#filled += taken;
    if (this.#filled < this.#record.length) return { taken, record: undefined };
    this.#filled = 0;
    return { taken, record: this.#record };
  }
}

function garbage(what: string): ShoalError {
  return new ShoalError('source-lied', `not ${what === 'answer' ? 'an answer' : 'a request'} of ${PIECE_PROTOCOL}`);
}
