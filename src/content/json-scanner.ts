import { ShoalError } from '../util/errors.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const NESTING_MAX = 32;
const NUMBER_MAX_CHARS = 32;
const LITERALS = ['true', 'false', 'null'];

/**
 * Walks JSON in place, in constant memory: what the visitor does not ask for is stepped over and never becomes an object.
 * JSON.parse on a hostile header of some megabytes makes hundreds of megabytes of objects. Throws ShoalError `invalid`.
 */
export class JsonScanner {
  readonly #bytes: Uint8Array;
  #at: number;
  readonly #end: number;
  #depth = 0;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = Math.min(end, bytes.length);
  }

  /** Calls `visit` for every member; it must take the value (with any method of this class). */
  object(visit: (key: string | undefined) => void, keyMaxBytes: number): void {
    this.#sequence('{', '}', () => {
      const key = this.string(keyMaxBytes);
      this.#expect(':');
      visit(key);
    });
  }

  /** Calls `visit` for every element; it must take the value. */
  array(visit: () => void): void {
    this.#sequence('[', ']', visit);
  }

  /** The string, or undefined when it is longer than `maxBytes` as written. */
  string(maxBytes: number): string | undefined {
    this.#expect('"');
    const start = this.#at;
    let escaped = false;
    while (this.#at < this.#end && this.#bytes[this.#at] !== QUOTE) {
      const isEscape = this.#bytes[this.#at] === BACKSLASH;
      escaped ||= isEscape;
      this.#at += isEscape ? 2 : 1;
    }
    if (this.#at >= this.#end) throw this.#invalid('a string without an end');
    const length = this.#at - start;
    this.#at += 1;
    if (length > maxBytes) return undefined;
    const raw = this.#slice(start, length);
    return escaped ? this.#unescape(raw) : raw;
  }

  /** A whole number from 0 to 2^53 − 1. */
  count(): number {
    const word = this.#word();
    const value = /^\d+$/.test(word) ? Number(word) : Number.NaN;
    if (!Number.isSafeInteger(value)) throw this.#invalid('a number that counts nothing');
    return value;
  }

  peek(): string {
    while (this.#at < this.#end && isSpace(this.#bytes[this.#at])) this.#at += 1;
    if (this.#at >= this.#end) throw this.#invalid('no end');
    return String.fromCharCode(this.#bytes[this.#at] ?? 0);
  }

  skip(): void {
    const next = this.peek();
    if (next === '{') this.object(() => this.skip(), 0);
    else if (next === '[') this.array(() => this.skip());
    else if (next === '"') this.string(0);
    else {
      const word = this.#word();
      if (!LITERALS.includes(word) && !/^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(word)) throw this.#invalid('no value');
    }
  }

  /** Nothing but space may follow. */
  finish(): void {
    while (this.#at < this.#end && isSpace(this.#bytes[this.#at])) this.#at += 1;
    if (this.#at < this.#end) throw this.#invalid('more than one value');
  }

  #sequence(open: string, close: string, visit: () => void): void {
    this.#depth += 1;
    if (this.#depth > NESTING_MAX) throw this.#invalid('too deep a nesting');
    this.#expect(open);
    if (this.peek() === close) this.#at += 1;
    else {
      for (;;) {
        visit();
        const next = this.peek();
        this.#at += 1;
        if (next === close) break;
        if (next !== ',') throw this.#invalid(`no ${close}`);
      }
    }
    this.#depth -= 1;
  }

  #expect(char: string): void {
    if (this.peek() !== char) throw this.#invalid(`no ${char}`);
    this.#at += 1;
  }

  #word(): string {
    this.peek();
    const start = this.#at;
    while (this.#at < this.#end && isWord(this.#bytes[this.#at])) this.#at += 1;
    const length = this.#at - start;
    if (length === 0 || length > NUMBER_MAX_CHARS) throw this.#invalid('no value');
    return this.#slice(start, length);
  }

  #slice(start: number, length: number): string {
    return Buffer.from(this.#bytes.buffer, this.#bytes.byteOffset + start, length).toString('utf8');
  }

  #unescape(raw: string): string {
    try {
      return String(JSON.parse(`"${raw}"`));
    } catch (error) {
      throw new ShoalError('invalid', 'JSON with a broken escape', { cause: error });
    }
  }

  #invalid(problem: string): ShoalError {
    return new ShoalError('invalid', `JSON with ${problem} at byte ${this.#at}`);
  }
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

/** Digits, letters, sign and point: numbers, `true`, `false`, `null`. */
function isWord(byte: number | undefined): boolean {
  if (byte === undefined) return false;
  const isDigit = byte >= 0x30 && byte <= 0x39;
  const isLetter = (byte >= 0x61 && byte <= 0x7a) || byte === 0x45;
  return isDigit || isLetter || byte === 0x2b || byte === 0x2d || byte === 0x2e;
}
