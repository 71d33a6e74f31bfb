import { ShoalError } from '../util/errors.ts';
import { FAMILY_OF_ARCHITECTURE } from './diffusion-family.ts';
import { fileTypeName, tensorTypeName } from './gguf-types.ts';
import { describe, displayText, type ModelMetadata } from './metadata.ts';

// Layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Files may be hostile: every length is held against the
// bytes that are there before anything is read, nothing is allocated by a length, and only a few values are kept.
const MAGIC = 0x46554747; // 'GGUF', little-endian
const COUNT_MAX = 1_000_000;
const KEY_MAX_BYTES = 65_535;
const STRING_MAX_BYTES = 64 * 1024 * 1024;
const ARRAY_MAX_BYTES = 1024 ** 4;
const SHOWN_MAX_BYTES = 1024;
const DIMENSIONS_MAX = 8;
const NESTING_MAX = 3;

const STRING = 8;
const ARRAY = 9;
/** Bytes of a value by its type; strings and arrays say theirs. */
const SCALAR_BYTES: readonly (number | undefined)[] = [1, 1, 2, 2, 4, 4, 4, 1, undefined, undefined, 8, 8, 8];

/** Thrown where the bytes end before the header does. */
class OutOfBytes extends Error {}

/**
 * What the header of a GGUF file (version 2 or 3, little-endian) says; `need-more` when it goes on past `bytes`.
 * @throws ShoalError `invalid` when it is no such header
 */
export function parseGgufHeader(bytes: Uint8Array): ModelMetadata | 'need-more' {
  try {
    return parse(new Cursor(bytes));
  } catch (error) {
    if (error instanceof OutOfBytes) return 'need-more';
    throw error;
  }
}

function parse(cursor: Cursor): ModelMetadata {
  if (cursor.u32() !== MAGIC) throw invalid('does not start with GGUF');
  const version = cursor.u32();
  if (version !== 2 && version !== 3) throw invalid(`has version ${version}`);
  const tensorCount = cursor.length('tensors', COUNT_MAX);
  const pairCount = cursor.length('key-value pairs', COUNT_MAX);
  const values = readPairs(cursor, pairCount);
  const tensors = readTensors(cursor, tensorCount);
  const architecture = displayText(values.get('general.architecture'));
  const fileType = values.get('general.file_type');
  const contextLength = values.get(`${architecture ?? ''}.context_length`);
  return describe({
    format: 'gguf',
    architecture,
    family: architecture === undefined ? undefined : FAMILY_OF_ARCHITECTURE.get(architecture),
    parameters: tensors.parameters,
    quantisation: (typeof fileType === 'number' ? fileTypeName(fileType) : undefined) ?? tensors.quantisation,
    contextLength: typeof contextLength === 'number' && contextLength > 0 ? contextLength : undefined,
    name: displayText(values.get('general.name')),
  });
}

/** The pairs worth showing; all others are stepped over. */
function readPairs(cursor: Cursor, count: number): Map<string, string | number> {
  const values = new Map<string, string | number>();
  for (let pair = 0; pair < count; pair += 1) {
    const key = cursor.text(KEY_MAX_BYTES);
    const type = cursor.u32();
    const wanted = /^general\.(?:architecture|name|file_type)$|\.context_length$/.test(key) && values.size < 64;
    if (wanted && type === STRING) values.set(key, cursor.text(STRING_MAX_BYTES));
    else if (wanted && type === 4) values.set(key, cursor.u32());
    else if (wanted && type === 10) values.set(key, Number(cursor.u64()));
    else skipValue(cursor, type, 0);
  }
  return values;
}

function skipValue(cursor: Cursor, type: number, depth: number): void {
  if (type === STRING) cursor.skip(cursor.length('bytes in a string', STRING_MAX_BYTES));
  else if (type === ARRAY) skipArray(cursor, depth);
  else cursor.skip(scalarBytes(type));
}

function skipArray(cursor: Cursor, depth: number): void {
  if (depth >= NESTING_MAX) throw invalid('nests arrays too deep');
  const type = cursor.u32();
  if (type !== STRING && type !== ARRAY) {
    const size = scalarBytes(type);
    cursor.skip(cursor.length('values in an array', ARRAY_MAX_BYTES / size) * size);
    return;
  }
  // Every element has a length of its own in the bytes, so this ends where they end, whatever the count claims.
  const count = cursor.length('values in an array', ARRAY_MAX_BYTES);
  for (let index = 0; index < count; index += 1) skipValue(cursor, type, depth + 1);
}

function scalarBytes(type: number): number {
  const size = SCALAR_BYTES[type];
  if (size === undefined) throw invalid(`has a value of type ${type}`);
  return size;
}

/** Sums up the tensor table; the type with the most parameters stands for all. */
function readTensors(
  cursor: Cursor,
  count: number,
): { parameters: number | undefined; quantisation: string | undefined } {
  const byType = new Map<number, number>();
  let parameters = 0;
  for (let tensor = 0; tensor < count; tensor += 1) {
    cursor.skip(cursor.length('bytes in a name', KEY_MAX_BYTES));
    const dimensions = cursor.u32();
    if (dimensions > DIMENSIONS_MAX) throw invalid(`has a tensor of ${dimensions} dimensions`);
    let elements = 1;
    for (let dimension = 0; dimension < dimensions; dimension += 1) elements *= Number(cursor.u64());
    const type = cursor.u32();
    cursor.skip(8); // the tensor's place in the file
    parameters += elements;
    if (byType.size < 256 || byType.has(type)) byType.set(type, (byType.get(type) ?? 0) + elements);
  }
  const largest = [...byType].reduce<readonly [number, number]>(
    (best, next) => (next[1] > best[1] ? next : best),
    [-1, 0],
  );
  return {
    parameters: Number.isSafeInteger(parameters) && parameters > 0 ? parameters : undefined,
    quantisation: tensorTypeName(largest[0]),
  };
}

class Cursor {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Steps over `count` bytes and returns where they start. */
  skip(count: number): number {
    const start = this.#at;
    if (count > this.#bytes.length - start) throw new OutOfBytes();
    this.#at = start + count;
    return start;
  }

  u32(): number {
    return this.#view.getUint32(this.skip(4), true);
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.skip(8), true);
  }

  /** A u64 that counts something of which there cannot be more than `max`. */
  length(what: string, max: number): number {
    const value = this.u64();
    if (value > BigInt(max)) throw invalid(`claims ${value} ${what}`);
    return Number(value);
  }

  /** A string, of which only the first kilobyte is kept. */
  text(maxBytes: number): string {
    const length = this.length('bytes in a string', maxBytes);
    const start = this.skip(length);
    return Buffer.from(this.#bytes.subarray(start, start + Math.min(length, SHOWN_MAX_BYTES))).toString('utf8');
  }
}

function invalid(problem: string): ShoalError {
  return new ShoalError('invalid', `the GGUF header ${problem}`);
}
