import { ShoalError } from '../util/errors.ts';

/** A setting as it was given, and where. */
export interface Given {
  readonly value: unknown;
  readonly rank: 'flag' | 'environment' | 'file';
  /** For errors: `--cache-max`, `SHOAL_CACHE_MAX` or `cache-max in /etc/shoal/shoal.yaml`. */
  readonly where: string;
  /** What relative paths are relative to. */
  readonly baseDir: string;
}

/** Errors of a value name the setting it was given for. */
export function named<T>(where: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof ShoalError)) throw error;
    throw new ShoalError('invalid', `${where}: ${error.message}`, {
      cause: error,
      ...optional('remedy', error.remedy),
    });
  }
}

export function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : [value];
}

export function optional<K extends string, T>(key: K, value: T | undefined): { [P in K]?: T } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]: T });
}
