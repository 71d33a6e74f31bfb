import { ShoalError } from './errors.ts';

export { formatBytes, formatDuration } from './amounts.ts';

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  K: 1e3,
  KB: 1e3,
  KIB: 2 ** 10,
  M: 1e6,
  MB: 1e6,
  MIB: 2 ** 20,
  G: 1e9,
  GB: 1e9,
  GIB: 2 ** 30,
  T: 1e12,
  TB: 1e12,
  TIB: 2 ** 40,
};

/**
 * Bytes from `500MB`, `40MiB`, `10G`, `1.5GiB` or a plain number; decimal units are powers of 1000, `…iB` of 1024.
 * @throws ShoalError `invalid`
 */
export function parseBytes(text: string): number {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*?)(?:\/s)?\s*$/.exec(text);
  const unit = match === null ? undefined : UNITS[(match[2] ?? '').toUpperCase()];
  if (match === null || unit === undefined) {
    throw new ShoalError('invalid', `"${text}" is not a size`, { remedy: 'Write sizes like 500MB, 40MiB or 10G.' });
  }
  return Math.round(Number(match[1]) * unit);
}
