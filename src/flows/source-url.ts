import { BlockList, isIP } from 'node:net';
import { fileURLToPath } from 'node:url';
import { parseOriginUrl } from '../transfer/origin-url.ts';
import { ShoalError } from '../util/errors.ts';

/**
 * Where a registered model may be fetched from. Whoever may register could make this machine ask others for things, so:
 * nothing is fetched without a digest that it must have, files only below a configured origin, of the web no addresses that
 * only this machine's own platform answers (link-local: the metadata services of clouds), and never from https to http.
 */
export type SourcePlace =
  | { readonly kind: 'http'; readonly url: string; readonly headers: Readonly<Record<string, string>> }
  | { readonly kind: 'file'; readonly path: string; readonly root: string };

const REMEDY = 'Give an http(s) URL, or a file below one of the origins of this node.';

/** @throws ShoalError `invalid` for a URL that is not fetched from */
export function placeOf(sourceUrl: string, origins: readonly string[]): SourcePlace {
  const url = URL.parse(sourceUrl);
  if (url === null) throw new ShoalError('invalid', 'the source_url is no URL', { remedy: REMEDY });
  if (url.protocol === 'file:') return filePlace(url, origins);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new ShoalError('invalid', `a model cannot be fetched by ${url.protocol}//`, { remedy: REMEDY });
  }
  refuseHost(url);
  const given = parseOriginUrl(`${url.protocol}//${login(url)}${url.host}/`);
  const headers = given.kind === 'http' ? given.headers : {};
  url.username = '';
  url.password = '';
  url.hash = '';
  return { kind: 'http', url: url.href, headers: Object.keys(headers).length > 0 ? headers : headersFor(url, origins) };
}

/** What logs and errors may show: queries and logins hold secrets. */
export function shownUrl(sourceUrl: string): string {
  const url = URL.parse(sourceUrl);
  if (url === null) return 'no URL';
  return `${url.protocol}//${url.host}${decoded(url.pathname)}`;
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path; // a per cent sign that stands for itself
  }
}

/** @throws ShoalError `invalid` for a redirection that leads where none may */
export function redirected(from: string, location: string | undefined): string {
  const url = location === undefined ? null : URL.parse(location, from);
  if (url === null) throw new ShoalError('source-lied', 'the source redirects to nowhere');
  const isWeb = url.protocol === 'https:' || (url.protocol === 'http:' && from.startsWith('http:'));
  if (!isWeb) throw new ShoalError('invalid', `the source redirects to ${url.protocol}//, which is not followed`);
  refuseHost(url);
  url.username = '';
  url.password = '';
  return url.href;
}

const forbidden = new BlockList();
forbidden.addSubnet('0.0.0.0', 8);
forbidden.addSubnet('169.254.0.0', 16);
forbidden.addSubnet('224.0.0.0', 4);
forbidden.addSubnet('fe80::', 10, 'ipv6');
forbidden.addSubnet('ff00::', 8, 'ipv6');
forbidden.addAddress('fd00:ec2::254', 'ipv6');
forbidden.addAddress('::', 'ipv6');

/** Held against what a name resolves to as well. */
export function isForbiddenAddress(address: string): boolean {
  const family = isIP(address);
  return family !== 0 && forbidden.check(address, family === 4 ? 'ipv4' : 'ipv6');
}

function refuseHost(url: URL): void {
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  if (isForbiddenAddress(host)) {
    throw new ShoalError('invalid', `${host} is no address that models are fetched from`, { remedy: REMEDY });
  }
}

function filePlace(url: URL, origins: readonly string[]): SourcePlace {
  const refused = new ShoalError('invalid', 'the file of the source_url lies below no origin of this node', {
    remedy: REMEDY,
  });
  if (url.host !== '' || /%2f/i.test(url.pathname)) throw refused;
  const path = fileURLToPath(url);
  for (const origin of origins) {
    const address = parseOriginUrl(origin);
    if (address.kind !== 'file') continue;
    const root = address.root.endsWith('/') ? address.root : `${address.root}/`;
    if (path.startsWith(root)) return { kind: 'file', path, root };
  }
  throw refused;
}

/** A web origin's own login is used for what lies below it, and for nothing else. */
function headersFor(url: URL, origins: readonly string[]): Readonly<Record<string, string>> {
  for (const origin of origins) {
    const address = parseOriginUrl(origin);
    if (address.kind === 'http' && url.href.startsWith(address.base)) return address.headers;
  }
  return {};
}

function login({ username, password }: URL): string {
  return username === '' && password === '' ? '' : `${username}:${password}@`;
}
