import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly time: string;
  /** `performance.now()` of this process when the line arrived. */
  readonly arrivedMs: number;
  readonly [field: string]: unknown;
}

type Matcher = string | ((line: LogLine) => boolean);

const KEEP_LINES = 20_000;

/** The JSON lines that a process writes; a line that is no JSON (a stack trace, say) becomes one of level `raw`. */
export class LogLines {
  readonly lines: LogLine[] = [];
  readonly #waiting = new Set<() => void>();
  #ended = false;

  constructor(stream: Readable) {
    const reader = createInterface({ input: stream });
    reader.on('line', (text) => this.#add(text));
    reader.on('close', () => {
      this.#ended = true;
      this.#wake();
    });
  }

  find(matcher: Matcher): LogLine | undefined {
    return this.lines.find(asPredicate(matcher));
  }

  all(matcher: Matcher): LogLine[] {
    return this.lines.filter(asPredicate(matcher));
  }

  /** The first line that matches, of those seen already or to come; `undefined` when the stream ends without it. */
  async waitFor(matcher: Matcher, timeoutMs = 15_000): Promise<LogLine | undefined> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const found = this.find(matcher);
      if (found !== undefined || this.#ended) return found;
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`no log line ${String(matcher)} within ${timeoutMs} ms\n${this.tail()}`);
      await this.#news(left);
    }
  }

  tail(count = 30): string {
    return this.lines
      .slice(-count)
      .map((line) => (line.level === 'raw' ? line.msg : JSON.stringify({ ...line, arrivedMs: undefined })))
      .join('\n');
  }

  #add(text: string): void {
    const arrivedMs = performance.now();
    try {
      this.lines.push({ ...(JSON.parse(text) as Omit<LogLine, 'arrivedMs'>), arrivedMs } as LogLine);
    } catch {
      this.lines.push({ level: 'raw', msg: text, time: new Date().toISOString(), arrivedMs });
    }
    if (this.lines.length > KEEP_LINES) this.lines.splice(100, KEEP_LINES / 10);
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }

  async #news(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      this.#waiting.add(wake);
    });
  }
}

function asPredicate(matcher: Matcher): (line: LogLine) => boolean {
  return typeof matcher === 'string' ? (line) => line.msg === matcher : matcher;
}
