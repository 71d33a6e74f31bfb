/** What `bench/<name>.ts` exports as `benchmark`; `npm run bench -- <name> [args]` runs it. */
export interface Benchmark {
  /** One line for the list. */
  readonly summary: string;
  /** It builds a network: it runs in namespaces of its own, as root. */
  readonly isolated?: boolean;
  /** What is missing on this machine, each with its remedy; nothing runs then. */
  readonly missing?: (args: readonly string[]) => readonly string[];
  /** Prints its table as it likes; what it returns is printed as one JSON line at the end. */
  readonly run: (args: readonly string[]) => Promise<BenchmarkResult>;
}

export interface BenchmarkResult {
  readonly [key: string]: unknown;
  /** Goals that were not reached, as sentences; any makes the exit code 1. */
  readonly missed?: readonly string[];
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** The value below which that share of the values lies (nearest rank). */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))] ?? Number.NaN;
}

/** Columns as wide as their widest cell; numbers to the right, text to the left. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  const isNumeric = (rows[0] ?? []).map((_, column) => rows.slice(1).every((row) => /^[\d.–]/.test(row[column] ?? '')));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) =>
        isNumeric[column] === true ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
      )
      .join('   ');
  return rows.map((row) => line(row).trimEnd()).join('\n');
}

/** `--mib 1024 --runs 3` → the number after the flag. */
export function numberOption(args: readonly string[], flag: string, fallback: number): number {
  const index = args.indexOf(flag);
  if (index === -1) return fallback;
  const value = Number(args[index + 1]);
  if (!(value > 0)) throw new Error(`${flag} needs a positive number`);
  return value;
}

export function textOption(args: readonly string[], flag: string, fallback: string): string {
  const index = args.indexOf(flag);
  return index === -1 ? fallback : (args[index + 1] ?? fallback);
}
