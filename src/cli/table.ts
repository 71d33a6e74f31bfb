import { printable, shorten } from './text.ts';

export interface Column {
  readonly title: string;
  readonly align?: 'right';
  /** Gives way when the terminal is narrow. */
  readonly shrinks?: boolean;
}

const GAP = '  ';
const NARROWEST = 12;

/** Aligned columns, without empty ones; cells that do not fit lose their middle. */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[], width: number): string[] {
  const clean = rows.map((row) => row.map(printable));
  const shown = columns.map((_, at) => at).filter((at) => clean.some((row) => (row[at] ?? '') !== ''));
  const widths = new Map(
    shown.map((at) => [at, Math.max(columns[at]?.title.length ?? 0, ...clean.map((row) => lengthOf(row[at] ?? '')))]),
  );
  shrinkToFit(columns, widths, width);
  const lines = [columns.map((column) => column.title), ...clean].map((row) =>
    shown
      .map((at) => pad(shorten(row[at] ?? '', widths.get(at) ?? 0), widths.get(at) ?? 0, columns[at]?.align))
      .join(GAP)
      .trimEnd(),
  );
  return lines;
}

function shrinkToFit(columns: readonly Column[], widths: Map<number, number>, width: number): void {
  const total = (): number => [...widths.values()].reduce((sum, each) => sum + each + GAP.length, -GAP.length);
  const elastic = [...widths.keys()].filter((at) => columns[at]?.shrinks === true);
  while (total() > width) {
    // The widest gives way first.
    const widest = elastic.reduce<number | undefined>(
      (best, at) => (best === undefined || (widths.get(at) ?? 0) > (widths.get(best) ?? 0) ? at : best),
      undefined,
    );
    const present = widest === undefined ? 0 : (widths.get(widest) ?? 0);
    if (widest === undefined || present <= NARROWEST) return;
    widths.set(widest, Math.max(NARROWEST, present - (total() - width)));
  }
}

function pad(text: string, width: number, align: 'right' | undefined): string {
  const missing = ' '.repeat(Math.max(0, width - lengthOf(text)));
  return align === 'right' ? missing + text : text + missing;
}

function lengthOf(text: string): number {
  return Array.from(text).length;
}
