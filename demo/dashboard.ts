import { formatBytes } from '../src/util/bytes.ts';

export interface Cell {
  /** 0 to 1. */
  readonly share: number;
  readonly mark: string;
}

export interface Row {
  readonly node: string;
  readonly state: 'up' | 'down';
  readonly cells: readonly Cell[];
  readonly bytesPerSecond: number;
}

export interface Frame {
  readonly columns: readonly string[];
  readonly rows: readonly Row[];
  readonly footer: string;
}

const BAR = 12;
const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

export function bar(share: number, width: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, share)) * width * 8);
  const full = Math.floor(eighths / 8);
  return ('█'.repeat(full) + (EIGHTHS[eighths % 8] ?? '')).padEnd(width, '·');
}

export function renderFrame(frame: Frame): string[] {
  const head = `         ${frame.columns.map((column) => column.padEnd(BAR + 7)).join('')}`;
  const rows = frame.rows.map((row) => {
    if (row.state === 'down') return `  ${row.node.padEnd(7)}killed`;
    const cells = row.cells.map((cell) => `${bar(cell.share, BAR)} ${cell.mark.padEnd(6)}`);
    const rate = row.bytesPerSecond > 0 ? `${formatBytes(row.bytesPerSecond)}/s` : '';
    return `  ${row.node.padEnd(7)}${cells.join('')}${rate}`.trimEnd();
  });
  return [head, ...rows, `  ${frame.footer}`];
}

/**
 * Draws over itself on a terminal; elsewhere (a log, a pipe) it prints a line for each message and, every few seconds,
 * one line of progress.
 */
export class Dashboard {
  readonly #out: NodeJS.WriteStream;
  readonly #live: boolean;
  #drawnLines = 0;
  #plainMs = 0;
  #plainLast = '';

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
    this.#live = out.isTTY;
  }

  /** A line that stays. */
  say(message: string): void {
    this.#erase();
    this.#out.write(`${message}\n`);
  }

  draw(frame: Frame): void {
    if (!this.#live) {
      this.#drawPlain(frame);
      return;
    }
    const width = this.#out.columns;
    const lines = renderFrame(frame).map((line) => line.slice(0, width - 1));
    this.#erase();
    this.#out.write(`${lines.join('\n')}\n`);
    this.#drawnLines = lines.length;
  }

  /** Leaves the last frame standing. */
  release(): void {
    this.#drawnLines = 0;
  }

  #erase(): void {
    if (this.#drawnLines > 0) this.#out.write(`\u001b[${this.#drawnLines}A\u001b[J`);
    this.#drawnLines = 0;
  }

  #drawPlain(frame: Frame): void {
    const now = performance.now();
    if (now - this.#plainMs < 2_000) return;
    this.#plainMs = now;
    const rows = frame.rows.map(
      (row) => `${row.node} ${row.state === 'down' ? 'killed' : row.cells.map((cell) => cell.mark).join(' ')}`,
    );
    const line = `  ${rows.join(' | ')} | ${frame.footer}`;
    if (line !== this.#plainLast) this.#out.write(`${line}\n`);
    this.#plainLast = line;
  }
}
