import { messageOf, ShoalError } from '../util/errors.ts';
import { printable, shorten } from './text.ts';

/** Standard output carries the one JSON document and nothing else; what people read goes to standard error. */
export interface Output {
  readonly isTerminal: boolean;
  readonly color: boolean;
  /** Characters per line; Infinity when nobody looks. */
  width(): number;
  /** Lines of the screen; Infinity when nobody looks. */
  height(): number;
  line(text: string): void;
  /** What is shown again and again: in place on a terminal, elsewhere only when it has changed. */
  frame(lines: readonly string[]): void;
  json(document: unknown): void;
  /** A result that is no JSON and made for programs, like a key. */
  data(text: string): void;
}

export class ProcessOutput implements Output {
  readonly isTerminal = process.stderr.isTTY;
  readonly color: boolean;
  #frame: string | undefined;

  constructor(options: { color: boolean }) {
    this.color = options.color && this.isTerminal;
    // The reader has seen enough (`shoal ls --json | head`): no reason to fail loudly.
    for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  }

  width(): number {
    // A terminal that does not know its size says 0.
    return this.isTerminal ? process.stderr.columns || 80 : Infinity;
  }

  height(): number {
    return this.isTerminal ? process.stderr.rows || 24 : Infinity;
  }

  line(text: string): void {
    process.stderr.write(`${printable(text)}\n`);
  }

  frame(lines: readonly string[]): void {
    const text = lines.map((line) => shorten(printable(line), this.width()));
    if (this.isTerminal) {
      // Each line replaces what stood there and the rest is erased last, in one write: nothing flickers.
      const start = this.#frame === undefined ? '\x1b[H\x1b[2J' : '\x1b[H';
      process.stderr.write(`${start}${text.map((line) => `${line}\x1b[K\n`).join('')}\x1b[J`);
    } else if (this.#frame !== text.join('\n')) {
      process.stderr.write(`${this.#frame === undefined ? '' : '\n'}${text.map((line) => `${line}\n`).join('')}`);
    }
    this.#frame = text.join('\n');
  }

  json(document: unknown): void {
    process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
  }

  data(text: string): void {
    process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
  }
}

/** `what happened. What to do about it.`, on one line. */
export function describeError(error: unknown): string {
  const message = messageOf(error).replace(/\s*\n\s*/g, ' ');
  const remedy = error instanceof ShoalError ? error.remedy : undefined;
  const missingBytes = error instanceof ShoalError ? error.fields['missingBytes'] : undefined;
  // A number that scripts and people can work with, however the message rounds it.
  const tellsBytes = typeof missingBytes !== 'number' || message.includes(`${missingBytes}`);
  const whole = tellsBytes ? message : `${message.replace(/[.!]$/, '')} (${missingBytes} bytes missing)`;
  const sentence = /[.!?]$/.test(whole) ? whole : `${whole}.`;
  return remedy === undefined ? sentence : `${sentence} ${remedy}`;
}

export interface ErrorDocument {
  readonly code: string;
  readonly message: string;
  readonly remedy?: string;
  readonly missingBytes?: number;
}

/** What `--json` says of a failure. */
export function errorDocument(error: unknown): ErrorDocument {
  if (!(error instanceof ShoalError)) return { code: 'internal', message: messageOf(error) };
  const missingBytes = error.fields['missingBytes'];
  return {
    code: error.code,
    message: error.message,
    ...(error.remedy === undefined ? {} : { remedy: error.remedy }),
    ...(typeof missingBytes === 'number' ? { missingBytes } : {}),
  };
}
