import { once } from 'node:events';
import { createReadStream, type Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, normalize } from 'node:path';
import { delay } from './wait.ts';

/** What a NAS does on a bad day. `afterBytes` counts within one answer. */
export type OriginFault =
  | { readonly kind: 'stall'; readonly afterBytes?: number } // stops sending, keeps the connection
  | { readonly kind: 'die'; readonly afterBytes?: number } // resets the connection
  | { readonly kind: 'slow'; readonly bytesPerSecond: number } // each answer on its own
  | { readonly kind: 'corrupt'; readonly share?: number } // flips a byte in the middle of that share of the answers
  | { readonly kind: 'status'; readonly status: number; readonly retryAfterSeconds?: number }
  | { readonly kind: 'ignore-range' } // 200 and the whole file
  | { readonly kind: 'short'; readonly missingBytes: number }; // promises all, ends early

export interface OriginRequest {
  readonly atMs: number;
  readonly method: string;
  readonly path: string;
  readonly range: string | undefined;
  readonly status: number;
}

/** A static web server over a directory, with Range, ETag and Last-Modified, that counts and can be told to misbehave. */
export class StaticOrigin implements AsyncDisposable {
  readonly requests: OriginRequest[] = [];
  /** Body bytes handed to the socket, by path (`/loras/a.safetensors`). */
  readonly bytesSent = new Map<string, number>();
  readonly #server: Server;
  readonly #root: string;
  #faults: { matches: (path: string) => boolean; fault: OriginFault }[] = [];
  #answered = 0;

  private constructor(root: string, server: Server) {
    this.#root = root;
    this.#server = server;
  }

  static async start(root: string, options: { port?: number; host?: string } = {}): Promise<StaticOrigin> {
    const server = createServer();
    const origin = new StaticOrigin(root, server);
    server.on('request', (request, response) => {
      origin.#answer(request, response).catch(() => response.destroy());
    });
    await new Promise<void>((resolve) => server.listen(options.port ?? 0, options.host ?? '127.0.0.1', resolve));
    return origin;
  }

  /** Ends with a slash. */
  get url(): string {
    const { address, port } = this.#server.address() as AddressInfo;
    return `http://${address}:${port}/`;
  }

  /** The first fault whose `path` matches holds until `heal()`; without a path it holds for everything outside `/.shoal/`. */
  misbehave(fault: OriginFault, path?: RegExp): void {
    const matches =
      path === undefined ? (name: string) => !name.startsWith('/.shoal/') : (name: string) => path.test(name);
    this.#faults = [{ matches, fault }, ...this.#faults];
  }

  heal(): void {
    this.#faults = [];
  }

  /** Ends every connection at once, as a reboot does; new ones are accepted. */
  dropConnections(): void {
    this.#server.closeAllConnections();
  }

  /** All body bytes, or those of the paths that match. */
  totalSent(path?: RegExp): number {
    return [...this.bytesSent].filter(([name]) => path?.test(name) ?? true).reduce((sum, [, bytes]) => sum + bytes, 0);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = normalize(decodeURIComponent(new URL(request.url ?? '/', 'http://x').pathname));
    const range = request.headers.range;
    const respond = (status: number, headers: Record<string, string | number> = {}): void => {
      this.requests.push({ atMs: Date.now(), method: request.method ?? '', path, range, status });
      response.writeHead(status, headers);
    };
    const fault = this.#faults.find(({ matches }) => matches(path))?.fault;
    if (fault?.kind === 'status') {
      respond(fault.status, fault.retryAfterSeconds === undefined ? {} : { 'retry-after': fault.retryAfterSeconds });
      return void response.end('not now\n');
    }
    const file = join(this.#root, path);
    const stats = await stat(file).catch(() => undefined);
    if (stats?.isFile() !== true) {
      respond(404);
      return void response.end('no such file\n');
    }
    const slice = parseRange(fault?.kind === 'ignore-range' ? undefined : range, stats.size);
    if (slice === undefined) {
      respond(416, { 'content-range': `bytes */${stats.size}` });
      return void response.end();
    }
    respond(slice.partial ? 206 : 200, sliceHeaders(stats, slice));
    if (request.method === 'HEAD') return void response.end();
    await this.#send(response, { file, path, ...slice }, fault);
  }

  async #send(
    response: ServerResponse,
    part: { file: string; path: string } & Slice,
    fault: OriginFault | undefined,
  ): Promise<void> {
    const { file, path, start, length } = part;
    if (length === 0) return void response.end();
    this.#answered += 1;
    const corrupt = fault?.kind === 'corrupt' && this.#answered % Math.max(1, Math.round(1 / (fault.share ?? 1))) === 0;
    const limit = fault?.kind === 'short' ? Math.max(0, length - fault.missingBytes) : length;
    const stopAfter =
      fault?.kind === 'stall' || fault?.kind === 'die' ? (fault.afterBytes ?? 0) : Number.POSITIVE_INFINITY;
    const stepBytes = fault?.kind === 'slow' ? Math.max(1, Math.ceil(fault.bytesPerSecond / 20)) : 256 << 10;
    let sent = 0;
    for await (const read of createReadStream(file, { start, end: start + length - 1, highWaterMark: stepBytes })) {
      let chunk = (read as Buffer).subarray(0, Math.min(limit, stopAfter) - sent);
      const middle = (length >> 1) - sent;
      if (corrupt && middle >= 0 && middle < chunk.length) {
        chunk = Buffer.from(chunk);
        chunk[middle] = (chunk[middle] ?? 0) ^ 0xff;
      }
      sent += chunk.length;
      this.bytesSent.set(path, (this.bytesSent.get(path) ?? 0) + chunk.length);
      if (!response.write(chunk) && !response.destroyed)
        await Promise.race([once(response, 'drain'), once(response, 'close')]);
      if (response.destroyed) return;
      if (fault?.kind === 'slow') await delay((1000 * chunk.length) / fault.bytesPerSecond);
      if (sent >= stopAfter || sent >= limit) break;
    }
    if (fault?.kind === 'stall') return; // the socket stays open and silent until the client or dropConnections() ends it
    if (fault?.kind === 'die' || fault?.kind === 'short') return void response.destroy();
    response.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

interface Slice {
  readonly start: number;
  readonly length: number;
  readonly partial: boolean;
}

/** One byte range, or the whole; undefined when it cannot be satisfied. */
function parseRange(range: string | undefined, size: number): Slice | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(range ?? '');
  if (match === null || (match[1] === '' && match[2] === '')) return { start: 0, length: size, partial: false };
  const start = match[1] === '' ? Math.max(0, size - Number(match[2])) : Number(match[1]);
  const end = match[1] === '' || match[2] === '' ? size - 1 : Math.min(size - 1, Number(match[2]));
  return start > end ? undefined : { start, length: end - start + 1, partial: true };
}

function sliceHeaders(stats: Stats, { start, length, partial }: Slice): Record<string, string | number> {
  return {
    'content-type': 'application/octet-stream',
    'content-length': length,
    'accept-ranges': 'bytes',
    etag: `"${stats.mtimeMs.toString(16)}-${stats.size.toString(16)}"`,
    'last-modified': stats.mtime.toUTCString(),
    ...(partial ? { 'content-range': `bytes ${start}-${start + length - 1}/${stats.size}` } : {}),
  };
}
