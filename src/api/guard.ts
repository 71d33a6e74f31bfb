import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { ShoalError } from '../util/errors.ts';
import { isLoopbackHost } from '../util/host-port.ts';
import { RequestError } from './problem.ts';

export interface GuardedRequest {
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
}

/** Longer credentials are refused unread. */
const AUTHORIZATION_MAX_LENGTH = 8_192;

/** Compares with the expected token in a time that tells nothing about it. */
export class BearerGuard {
  readonly #expected: Buffer;

  constructor(token: string) {
    this.#expected = sha256(token);
  }

  /** @throws ShoalError `unauthorized` */
  check(request: GuardedRequest): void {
    const header = request.headers.authorization ?? '';
    const given = header.length > AUTHORIZATION_MAX_LENGTH ? null : /^Bearer +([\x21-\x7e]+)$/i.exec(header);
    // Digests have one length, so that timingSafeEqual can compare any two tokens.
    if (given !== null && timingSafeEqual(sha256(given[1] ?? ''), this.#expected)) return;
    throw new ShoalError('unauthorized', header === '' ? 'no bearer token was sent' : 'the bearer token is wrong', {
      remedy: 'Send "Authorization: Bearer TOKEN"; client commands take --token or SHOAL_TOKEN.',
    });
  }
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/**
 * A web page can let its own name point to 127.0.0.1 and then read what a loopback API answers (DNS rebinding). The
 * name stands in the Host header, so on loopback only names that mean loopback are served.
 */
export function checkHost(request: GuardedRequest): void {
  const { host } = request.headers;
  if (host === undefined) return; // HTTP/1.0, which no browser speaks
  if (isLoopbackHost(host.replace(/:\d+$/, ''))) return;
  throw new RequestError(
    421,
    'forbidden-host',
    `this API is on loopback and does not answer as "${host.slice(0, 256)}"`,
    'Use 127.0.0.1 or localhost; to serve others, give --api their address and set a token.',
  );
}

/**
 * Pages of other sites may not trigger anything: browsers name them in Origin and say in Sec-Fetch-Site that they are
 * others; other programs send neither.
 */
export function checkOrigin(request: GuardedRequest): void {
  if (request.method === 'GET' || request.method === 'HEAD') return;
  const { origin = 'unknown', host, 'sec-fetch-site': site = 'none' } = request.headers;
  const isKnownAlien = site !== 'same-origin' && site !== 'none';
  if (request.headers.origin === undefined && !isKnownAlien) return;
  if (!isKnownAlien && URL.canParse(origin) && new URL(origin).host === host) return;
  throw new RequestError(
    403,
    'forbidden-origin',
    `a page of ${origin.slice(0, 256)} may not change anything here`,
    'Call the API from its own pages or from a program that sends no Origin header.',
  );
}

/** What every answer carries: nothing here is to be cached, framed, sniffed or read by other sites. */
export const securityHeaders: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};
