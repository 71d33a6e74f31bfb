import { ShoalError } from '../util/errors.ts';

const PATH_MAX_BYTES = 1024;
const SEGMENT_MAX_BYTES = 255;
/** Control characters, and the backslash that some systems take for a separator. */
const FORBIDDEN = /[\p{Cc}\\]/u;

/**
 * A path below the models directory as the network may name it: relative, with `/`, without `.` and `..`, and without
 * names that start with a dot, so that nothing of Shoal's own can be reached. Returned as it was given.
 * @throws ShoalError `invalid`
 */
export function parseModelPath(text: string): string {
  const problem = problemOf(text);
  if (problem !== undefined) {
    throw new ShoalError('invalid', `${JSON.stringify(text.slice(0, 200))} is not a model path: ${problem}`);
  }
  return text;
}

function problemOf(text: string): string | undefined {
  if (text.length === 0) return 'it is empty';
  if (text.length > PATH_MAX_BYTES || Buffer.byteLength(text) > PATH_MAX_BYTES) return 'it is too long';
  if (FORBIDDEN.test(text)) return 'it holds control characters or a backslash';
  if (!text.isWellFormed()) return 'it is not valid Unicode';
  if (text.startsWith('/')) return 'it is absolute';
  if (text.endsWith('.part')) return 'it has the name of a partial file';
  for (const segment of text.split('/')) {
    if (segment === '') return 'it has an empty name';
    if (segment.startsWith('.')) return 'a name starts with a dot';
    if (Buffer.byteLength(segment) > SEGMENT_MAX_BYTES) return 'a name is too long';
  }
  return undefined;
}
