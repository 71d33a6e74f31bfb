/** A UTF-16 code unit has at most so many bytes in UTF-8. */
const MOST_BYTES = 3;

/**
 * Many small parts as few large chunks: writing to a socket has its price for each piece. `lend` is asked for memory when a
 * chunk is begun; all but the last are full.
 */
export function* gather(parts: Iterable<string | Buffer>, lend: () => Buffer): Generator<Buffer> {
  let chunk = lend();
  let length = 0;
  for (const part of parts) {
    if (typeof part === 'string' && part.length * MOST_BYTES <= chunk.length - length) {
      length += chunk.write(part, length);
      continue;
    }
    const bytes = typeof part === 'string' ? Buffer.from(part) : part;
    let taken = 0;
    while (taken < bytes.length) {
      const copied = bytes.copy(chunk, length, taken);
      taken += copied;
      length += copied;
      if (length < chunk.length) continue;
      yield chunk;
      chunk = lend();
      length = 0;
    }
  }
  if (length > 0) yield chunk.subarray(0, length);
}
