import { lookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { Readable } from 'node:stream';
import { Agent, type Dispatcher, request } from 'undici';
import { codeOf, ShoalError } from '../util/errors.ts';
import { isForbiddenAddress, redirected, type SourcePlace } from './source-url.ts';

const MAX_REDIRECTIONS = 4;
const CONNECT_MS = 5_000;
const SILENCE_MS = 15_000;

export interface OpenedUrl {
  /** Where the body begins: 0 where the server cannot go on in the middle. */
  readonly offset: number;
  readonly bytesTotal: number;
  readonly body: AsyncIterable<Uint8Array>;
}

/**
 * The rest of the file from `offset` on, after at most four redirections.
 * @throws ShoalError `source-gone`, `source-busy`, `source-stalled`, `source-lied`, `invalid`
 */
export async function openUrl(place: Extract<SourcePlace, { kind: 'http' }>, offset: number): Promise<OpenedUrl> {
  const agent = new Agent({
    connect: { timeout: CONNECT_MS, lookup: checkedLookup },
    headersTimeout: SILENCE_MS,
    bodyTimeout: SILENCE_MS,
  });
  let { url } = place;
  for (let redirections = 0; redirections <= MAX_REDIRECTIONS; redirections += 1) {
    // A login is for the host it was given for.
    const login = new URL(url).origin === new URL(place.url).origin ? place.headers : {};
    const range = offset > 0 ? { range: `bytes=${offset}-` } : {};
    const answer = await ask(url, { ...login, ...range, 'accept-encoding': 'identity' }, agent);
    const { statusCode, headers } = answer;
    if (statusCode < 300 || statusCode > 399) {
      if (statusCode !== 416 || offset === 0) return opened(answer, offset);
      discard(answer);
      // There is nothing behind what is here: it was interrupted after its last byte.
      const isWhole = String(headers['content-range']) === `bytes */${offset}`;
      return isWhole ? { offset, bytesTotal: offset, body: Readable.from([]) } : openUrl(place, 0);
    }
    discard(answer);
    url = redirected(url, typeof headers['location'] === 'string' ? headers['location'] : undefined);
  }
  throw new ShoalError('source-lied', `the source redirects more than ${MAX_REDIRECTIONS} times`);
}

function opened(answer: Dispatcher.ResponseData, asked: number): OpenedUrl {
  const { statusCode, headers, body } = answer;
  const length = Number(headers['content-length']);
  const [, from, total] = /^bytes (\d+)-\d+\/(\d+)$/.exec(String(headers['content-range'])) ?? [];
  if (statusCode === 206 && Number(from) === asked && total !== undefined) {
    return { offset: asked, bytesTotal: Number(total), body: readable(body) };
  }
  if (statusCode === 200 && Number.isSafeInteger(length))
    return { offset: 0, bytesTotal: length, body: readable(body) };
  discard(answer);
  if (statusCode === 200) throw new ShoalError('source-lied', 'the source does not say how long the file is');
  const isBusy = statusCode === 429 || statusCode === 503;
  throw new ShoalError(isBusy ? 'source-busy' : 'source-gone', `the source answers with HTTP ${statusCode}`);
}

async function ask(url: string, headers: Record<string, string>, agent: Agent): Promise<Dispatcher.ResponseData> {
  try {
    return await request(url, { dispatcher: agent, headers });
  } catch (error) {
    throw urlError(error);
  }
}

async function* readable(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    throw urlError(error);
  }
}

/** Texts of other programs stay out of it: they hold URLs, and URLs hold secrets. */
function urlError(error: unknown): unknown {
  if (codeOf(error) !== 'internal') return error;
  const { code, cause } = error as { code?: unknown; cause?: unknown };
  if (codeOf(cause) !== 'internal') return cause;
  if (/TIMEOUT|ETIMEDOUT/.test(String(code))) return new ShoalError('source-stalled', 'the source is silent');
  return new ShoalError('source-gone', `the source cannot be reached (${String(code)})`);
}

/** What a name resolves to now is what is connected to: no second look-up that could say something else. */
const checkedLookup: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, options, (error, address, family) => {
    const found = Array.isArray(address) ? address.map((one) => one.address) : [address];
    if (error === null && found.some(isForbiddenAddress)) {
      callback(new ShoalError('invalid', `${hostname} is no address that models are fetched from`), '', 0);
    } else callback(error, address, family);
  });
};

function discard({ body }: Dispatcher.ResponseData): void {
  body.on('error', () => undefined);
  body.destroy();
}
