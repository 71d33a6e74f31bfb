import { ShoalError } from '../util/errors.ts';

const MODEL_FIELD = 1;
const FILES_FIELD = 4;
/** A sha256 (34 with tag and length), the CID of a manifest (61) and a path. */
const FILE_MIN_BYTES = 96;

/**
 * Looks at an encoded `EntryMessage` before it is decoded: a file of two bytes on the wire takes hundreds in memory, so
 * that an entry of 16 MiB could take gigabytes. Whatever else is wrong with it is for the decoder to say.
 * @throws ShoalError `invalid` for a file too short to be one
 */
export function refuseHollowFiles(entry: Uint8Array): void {
  for (const model of fields(entry, MODEL_FIELD)) {
    for (const file of fields(model, FILES_FIELD)) {
      if (file.length < FILE_MIN_BYTES) throw new ShoalError('invalid', `a file described in ${file.length} bytes`);
    }
  }
}

/** The fields of that number that have a length; ends early where the bytes are no protobuf. */
function* fields(bytes: Uint8Array, wanted: number): IterableIterator<Uint8Array> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = bytes[at] ?? 0;
      at += 1;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    return Infinity;
  };
  while (at < bytes.length) {
    const tag = varint();
    const length = lengthAfter(tag & 7, varint);
    if (length === undefined || at + length > bytes.length) return;
    if ((tag & 7) === 2 && tag >>> 3 === wanted) yield bytes.subarray(at, at + length);
    at += length;
  }
}

/** How many bytes follow what has been read; undefined for wire types that nobody uses. */
function lengthAfter(wireType: number, varint: () => number): number | undefined {
  switch (wireType) {
    case 0:
      varint();
      return 0;
    case 1:
      return 8;
    case 2:
      return varint();
    case 5:
      return 4;
    default:
      return undefined;
  }
}
