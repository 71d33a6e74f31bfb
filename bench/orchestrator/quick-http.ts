import { createConnection, type Socket } from 'node:net';

/**
 * HTTP/1.1 as bare as it can be, for those who measure: an HTTP client costs more than the answers that are timed here, and
 * its garbage collection would count as the server's. Answers must have a content-length.
 */
export class QuickConnection {
  readonly #socket: Socket;
  readonly #host: string;
  #received: Buffer = Buffer.alloc(0);
  #answered: ((status: number) => void) | undefined;

  constructor(url: string) {
    const { hostname, port, host } = new URL(url);
    this.#host = host;
    this.#socket = createConnection({ host: hostname, port: Number(port), noDelay: true });
    this.#socket.on('data', (bytes: Buffer) => this.#take(bytes));
  }

  /** `answered` is called with the status when the whole answer is here. One request at a time. */
  post(path: string, document: unknown, answered: (status: number) => void): void {
    const body = JSON.stringify(document);
    const length = Buffer.byteLength(body);
    this.#answered = answered;
    this.#socket.write(
      `POST ${path} HTTP/1.1\r\nhost: ${this.#host}\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n${body}`,
    );
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(bytes: Buffer): void {
    this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
    const headEnd = this.#received.indexOf('\r\n\r\n');
    if (headEnd === -1) return;
    const head = this.#received.toString('latin1', 0, headEnd);
    const length = Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? Number.NaN);
    if (Number.isNaN(length)) throw new Error(`an answer without content-length: ${head}`);
    if (this.#received.length < headEnd + 4 + length) return;
    this.#received = Buffer.alloc(0);
    this.#answered?.(Number(head.slice(9, 12)));
  }
}

const READ_BYTES = 1024 * 1024;

/** Reads an answer of any length into one buffer, to time it and not to keep it. */
export async function timedGet(url: string): Promise<{ bytes: number; firstMs: number; allMs: number }> {
  const { hostname, port, host, pathname, search } = new URL(url);
  const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  const startMs = performance.now();
  let bytes = 0;
  let firstMs = Number.NaN;
  await new Promise<void>((resolve, reject) => {
    const callback = (count: number): boolean => {
      if (bytes === 0) firstMs = performance.now() - startMs;
      bytes += count;
      return true;
    };
    const socket = createConnection({ host: hostname, port: Number(port), onread: { buffer, callback } });
    socket.on('end', resolve).on('error', reject);
    socket.write(`GET ${pathname}${search} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`);
  });
  return { bytes, firstMs, allMs: performance.now() - startMs };
}
