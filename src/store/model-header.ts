import { readSync } from 'node:fs';
import type { ModelMetadata } from '../content/metadata.ts';
import { parseGgufHeader } from '../content/metadata-gguf.ts';
import { parseSafetensorsHeader, safetensorsExpectedSize } from '../content/metadata-safetensors.ts';
import { formatBytes } from '../util/bytes.ts';
import { codeOf, ShoalError } from '../util/errors.ts';

/** Enough for the header of nearly every safetensors file. */
const FIRST_READ_BYTES = 1024 * 1024;
/** The tokenizer in a GGUF header takes some MiB; what lies beyond this is not looked at. */
const HEADER_MAX_BYTES = 16 * 1024 * 1024;
/** Magic and version of GGUF, length of a safetensors header. */
const TELLING_BYTES = 8;

/**
 * What a model file says of itself in its first bytes; undefined for other files and for headers that make no sense.
 * Synchronous, for worker threads.
 * @throws ShoalError `verification-failed` when the file has not the length that its header says: a copy that broke off
 */
export function describeHeader(fd: number, name: string, sizeBytes: number): ModelMetadata | undefined {
  const format = formatOf(name);
  if (format === undefined) return undefined;
  const most = Math.min(sizeBytes, HEADER_MAX_BYTES);
  for (let length = Math.min(most, FIRST_READ_BYTES); ; length = Math.min(most, length * 4)) {
    const header = readStart(fd, length);
    const metadata = parse(format, header, sizeBytes);
    if (metadata !== 'need-more') return metadata;
    // The header itself goes on past the end of the file. A few bytes are no header that broke off: they are something else.
    if (length === sizeBytes && sizeBytes > TELLING_BYTES) throw truncated(sizeBytes, undefined);
    if (length === most) return undefined;
  }
}

function formatOf(name: string): 'gguf' | 'safetensors' | undefined {
  const lower = name.toLowerCase();
  if (lower.endsWith('.gguf')) return 'gguf';
  return lower.endsWith('.safetensors') || lower.endsWith('.sft') ? 'safetensors' : undefined;
}

function parse(
  format: 'gguf' | 'safetensors',
  header: Uint8Array,
  sizeBytes: number,
): ModelMetadata | 'need-more' | undefined {
  try {
    if (format === 'gguf') return parseGgufHeader(header);
    const metadata = parseSafetensorsHeader(header);
    if (metadata === 'need-more') return metadata;
    const expected = safetensorsExpectedSize(header);
    if (expected !== sizeBytes) throw truncated(sizeBytes, expected);
    return metadata;
  } catch (error) {
    // Not what its name says; programs may still know what to do with it.
    if (codeOf(error) === 'invalid') return undefined;
    throw error;
  }
}

function readStart(fd: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let at = 0;
  while (at < length) {
    const count = readSync(fd, bytes, at, length - at, at);
    if (count === 0) break;
    at += count;
  }
  return bytes.subarray(0, at);
}

function truncated(sizeBytes: number, expected: number | undefined): ShoalError {
  const should = expected === undefined ? 'its header is not whole' : `its header says ${formatBytes(expected)}`;
  return new ShoalError('verification-failed', `the file has ${formatBytes(sizeBytes)}, but ${should}`);
}
