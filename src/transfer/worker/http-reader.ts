import { Agent, type Dispatcher, interceptors, request } from 'undici';
import { isAbort, messageOf, ShoalError } from '../../util/errors.ts';
import type { HttpRequest, HttpValidator } from '../data-orders.ts';

/** As many pieces as a NAS is asked for side by side; further ones wait for a free connection. */
const CONNECTIONS = 8;
const CONNECT_MS = 5000;
/** Backstops: whoever waits for the bytes gives up sooner. */
const SILENCE_MS = 15_000;
const KEEP_ALIVE_MS = 30_000;
const MAX_REDIRECTIONS = 4;
const LOST = ['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'];

export interface ByteRange {
  readonly offset: number;
  readonly length: number;
  /** Of the whole file. */
  readonly sizeBytes: number;
}

/** Reads documents and byte ranges from HTTP origins, over connections that stay open. */
export class HttpReader {
  readonly #agent = new Agent({
    connections: CONNECTIONS,
    pipelining: 1,
    connect: { timeout: CONNECT_MS },
    headersTimeout: SILENCE_MS,
    bodyTimeout: SILENCE_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
  }).compose(interceptors.redirect({ maxRedirections: MAX_REDIRECTIONS }));

  /**
   * Gives `take` the bytes of the range, never more than its length, and returns how the file identified itself.
   * @throws ShoalError `source-gone` (missing, refused, another file now), `source-busy`, `source-stalled`,
   * `source-lied` (an answer that contradicts the request)
   */
  async readRange(
    { url, headers }: HttpRequest,
    options: { readonly range: ByteRange; readonly validator: HttpValidator },
    take: (bytes: Uint8Array) => void,
    signal: AbortSignal,
  ): Promise<HttpValidator> {
    const { range, validator } = options;
    const rangeHeader = `bytes=${range.offset}-${range.offset + range.length - 1}`;
    const response = await this.#get(url, { ...headers, range: rangeHeader }, signal);
    try {
      const seen = checkRange(response, range);
      checkSameFile(validator, seen);
      let missing = range.length;
      for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
        missing -= chunk.length;
        if (missing < 0) throw new ShoalError('source-lied', 'the origin sends more than the range that was asked for');
        take(chunk);
      }
      if (missing > 0) throw new ShoalError('source-gone', `the origin ended its answer ${missing} bytes early`);
      return seen;
    } catch (error) {
      throw httpError(error);
    } finally {
      discard(response.body);
    }
  }

  /** @throws ShoalError `not-found`, `invalid` when larger than `maxBytes`, and as `readRange` */
  async readDocument({ url, headers }: HttpRequest, maxBytes: number, signal: AbortSignal): Promise<Uint8Array> {
    const response = await this.#get(url, headers, signal);
    try {
      if (response.statusCode === 404) throw new ShoalError('not-found', 'the origin does not have this document');
      if (response.statusCode !== 200) throw statusError(response.statusCode);
      const chunks: Uint8Array[] = [];
      let bytes = 0;
      for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
        bytes += chunk.length;
        if (bytes > maxBytes) throw new ShoalError('invalid', `the document is larger than ${maxBytes} bytes`);
        chunks.push(chunk);
      }
      // Not from Node's pool: the bytes are handed over to the main thread.
      const whole = new Uint8Array(bytes);
      let at = 0;
      for (const chunk of chunks) {
        whole.set(chunk, at);
        at += chunk.length;
      }
      return whole;
    } catch (error) {
      throw httpError(error);
    } finally {
      discard(response.body);
    }
  }

  async #get(url: string, headers: HttpRequest['headers'], signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await request(url, {
          dispatcher: this.#agent,
          // A compressed body has other offsets than the file.
          headers: { 'accept-encoding': 'identity', ...headers },
          signal,
        });
      } catch (error) {
        // A server that closes an idle connection the moment we use it is as well as before.
        if (attempt === 1 && LOST.includes(String((error as { code?: unknown }).code))) continue;
        throw httpError(error);
      }
    }
  }
}

function checkRange({ statusCode, headers }: Dispatcher.ResponseData, range: ByteRange): HttpValidator {
  const whole = range.offset === 0 && range.length === range.sizeBytes;
  if (statusCode !== 206 && !(statusCode === 200 && whole)) {
    if (statusCode !== 200) throw statusError(statusCode);
    throw new ShoalError('source-lied', 'the origin ignores Range requests', {
      remedy: 'Serve the directory with a web server that supports them (nginx, Apache, Caddy …).',
    });
  }
  if ((headers['content-encoding'] ?? 'identity') !== 'identity') {
    throw new ShoalError('source-lied', 'the origin compresses what it was asked to send as it is');
  }
  if (statusCode === 206) {
    const match = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(String(headers['content-range']));
    const { offset, length, sizeBytes } = range;
    if (match === null || Number(match[1]) !== offset || Number(match[2]) !== offset + length - 1) {
      throw new ShoalError('source-lied', 'the origin answers with another range than it was asked for');
    }
    if (match[3] !== '*' && Number(match[3]) !== sizeBytes) throw changed(`it has ${match[3]} bytes, not ${sizeBytes}`);
  } else if (headers['content-length'] !== undefined && Number(headers['content-length']) !== range.sizeBytes) {
    throw changed(`it has ${String(headers['content-length'])} bytes, not ${range.sizeBytes}`);
  }
  const { etag, 'last-modified': lastModified } = headers;
  return {
    ...(typeof etag === 'string' ? { etag } : {}),
    ...(typeof lastModified === 'string' ? { lastModified } : {}),
  };
}

function checkSameFile(before: HttpValidator, now: HttpValidator): void {
  if (before.etag !== undefined && now.etag !== undefined) {
    if (before.etag !== now.etag) throw changed('its ETag is another one');
  } else if (before.lastModified !== undefined && now.lastModified !== before.lastModified) {
    throw changed('it was modified');
  }
}

function changed(how: string): ShoalError {
  return new ShoalError('source-gone', `the file on the origin has changed: ${how}`, {
    remedy: 'Run "shoal publish" on the origin again.',
  });
}

function statusError(status: number): ShoalError {
  if (status === 429 || status === 503) return new ShoalError('source-busy', `the origin is busy (HTTP ${status})`);
  if (status === 404 || status === 410)
    return new ShoalError('source-gone', `the origin lost the file (HTTP ${status})`);
  if (status === 416) return changed('it is shorter');
  if (status === 401 || status === 403) {
    return new ShoalError('source-gone', `the origin refuses access (HTTP ${status})`, {
      remedy: 'Put the user and password into the origin URL: https://user:password@host/…',
    });
  }
  return new ShoalError('source-gone', `the origin answers with HTTP ${status}`);
}

/** undici's and the system's errors; messages with addresses stay out of the text, URLs may hold tokens. */
function httpError(error: unknown): unknown {
  if (error instanceof ShoalError || isAbort(error)) return error;
  const { code } = error as { code?: unknown };
  const silent = ['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'UND_ERR_CONNECT_TIMEOUT', 'ETIMEDOUT'];
  if (silent.includes(String(code))) return new ShoalError('source-stalled', 'the origin is silent', { cause: error });
  if (typeof code === 'string') {
    return new ShoalError('source-gone', `the origin cannot be reached (${code})`, { cause: error });
  }
  return new ShoalError('source-gone', `reading from the origin failed: ${messageOf(error)}`, { cause: error });
}

/** Ends the connection unless the body has been read to its end. */
function discard(body: Dispatcher.ResponseData['body']): void {
  body.on('error', () => undefined);
  if (!body.readableEnded) body.destroy();
}
