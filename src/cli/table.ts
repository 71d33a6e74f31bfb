import { printable, shorten } from './text.ts';

export interface Column {
  readonly title: string;
  readonly align?: 'right';
  /** Gives way when the terminal is narrow. */
  readonly shrinks?: boolean;
  /** Left out before those that shrink become too short to tell their cells apart. */
  readonly yields?: boolean;
}

const GAP = '  ';
const NARROWEST = 12;
/** Names of files, with a part of their path. */
const LEGIBLE = 24;

/** Aligned columns, without empty ones; cells that do not fit lose their middle. */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[], width: number): string[] {
  const clean = rows.map((row) => row.map(printable));
  const shown = columns.map((_, at) => at).filter((at) => clean.some((row) => (row[at] ?? '') !== ''));
  const widths = new Map(
    shown.map((at) => [at, Math.max(columns[at]?.title.length ?? 0, ...clean.map((row) => lengthOf(row[at] ?? '')))]),
  );
  if (!fits(shrunk(columns, widths, width, LEGIBLE), width)) {
    for (const at of shown) if (columns[at]?.yields === true) widths.delete(at);
  }
  const fitted = shrunk(columns, widths, width, NARROWEST);
  return [columns.map((column) => column.title), ...clean].map((row) =>
    [...fitted]
      .map(([at, length]) => pad(shorten(row[at] ?? '', length), length, columns[at]?.align))
      .join(GAP)
      .trimEnd(),
  );
}

type Widths = ReadonlyMap<number, number>;

function totalOf(widths: Widths): number {
  return [...widths.values()].reduce((sum, each) => sum + each + GAP.length, -GAP.length);
}

function fits(widths: Widths, width: number): boolean {
  return totalOf(widths) <= width;
}

/** The widest gives way first, and those that are as wide then with it. */
function shrunk(columns: readonly Column[], from: Widths, width: number, narrowest: number): Widths {
  const widths = new Map(from);
  const elastic = [...widths.keys()].filter((at) => columns[at]?.shrinks === true);
  for (let over = totalOf(widths) - width; over > 0; over -= 1) {
    const [at, present] = elastic
      .map((each) => [each, widths.get(each) ?? 0] as const)
      .reduce((best, each) => (each[1] > best[1] ? each : best), [-1, narrowest]);
    if (at === -1) break;
    widths.set(at, present - 1);
  }
  return widths;
}

function pad(text: string, width: number, align: 'right' | undefined): string {
  const missing = ' '.repeat(Math.max(0, width - lengthOf(text)));
  return align === 'right' ? missing + text : text + missing;
}

function lengthOf(text: string): number {
  return Array.from(text).length;
}
