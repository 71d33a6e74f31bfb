import { messageOf, ShoalError } from '../util/errors.ts';

/** Standard output carries the one JSON document and nothing else; what people read goes to standard error. */
export interface Output {
  readonly isTerminal: boolean;
  readonly color: boolean;
  /** Characters per line; Infinity when nobody looks. */
  width(): number;
  line(text: string): void;
  /** An empty screen, for what is shown again and again. */
  clear(): void;
  json(document: unknown): void;
  /** A result that is no JSON and made for programs, like a key. */
  data(text: string): void;
}

export class ProcessOutput implements Output {
  readonly isTerminal = process.stderr.isTTY;
  readonly color: boolean;

  constructor(options: { color: boolean }) {
    this.color = options.color && this.isTerminal;
    // The reader has seen enough (`shoal ls --json | head`): no reason to fail loudly.
    for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  }

  width(): number {
    // A terminal that does not know its size says 0.
    return this.isTerminal ? process.stderr.columns || 80 : Infinity;
  }

  line(text: string): void {
    process.stderr.write(`${printable(text)}\n`);
  }

  clear(): void {
    if (this.isTerminal) process.stderr.write('\x1b[H\x1b[2J');
  }

  json(document: unknown): void {
    process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
  }

  data(text: string): void {
    process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
  }
}

/** Names come from other machines: their control characters must not reach the terminal. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu, '\ufffd');
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
