import { ShoalError } from '../util/errors.ts';

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** Strict: bytes that are no UTF-8 are refused, never mended. @throws ShoalError `invalid` */
export function decodeText(bytes: Uint8Array, maxBytes: number): string {
  if (bytes.length > maxBytes) throw new ShoalError('invalid', `a text of ${bytes.length} bytes, above ${maxBytes}`);
  try {
    return decoder.decode(bytes);
  } catch (error) {
    throw new ShoalError('invalid', 'a text that is not UTF-8', { cause: error });
  }
}

export function encodeText(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text);
}
