import { fileURLToPath } from 'node:url';
import { ShoalError } from '../util/errors.ts';

export type OriginAddress =
  | { readonly kind: 'file'; readonly shown: string; readonly root: string }
  | {
      readonly kind: 'http';
      readonly shown: string;
      /** Ends in a slash. Without credentials: those are in `headers`, so that no error message can show them. */
      readonly base: string;
      readonly headers: Readonly<Record<string, string>>;
    };

/**
 * `file:///mnt/nas/models` or `https://user:password@nas/models`. `shown` is what logs, metrics and the API show.
 * @throws ShoalError `invalid`
 */
export function parseOriginUrl(text: string): OriginAddress {
  const url = URL.parse(text);
  const remedy = 'Write file:///mnt/nas/models or https://nas.local/models.';
  if (url === null) throw new ShoalError('invalid', 'an origin is not a URL', { remedy });
  if (url.protocol === 'file:') {
    if (url.host !== '') throw new ShoalError('invalid', 'a file origin names a host', { remedy });
    return { kind: 'file', shown: url.href.replace(/(?<!\/)\/$/, ''), root: fileURLToPath(url) };
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new ShoalError('invalid', `an origin cannot be reached by ${url.protocol}`, { remedy });
  }
  const { username, password } = url;
  const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  const headers: Record<string, string> =
    username === '' && password === '' ? {} : { authorization: `Basic ${Buffer.from(login).toString('base64')}` };
  url.username = '';
  url.password = '';
  url.hash = '';
  url.search = '';
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  return { kind: 'http', shown: url.href.replace(/\/$/, ''), base: url.href, headers };
}

/** A file's URL below the base; every name is escaped, so that none can lead elsewhere. */
export function fileUrl(base: string, path: string): string {
  return base + path.split('/').map(encodeURIComponent).join('/');
}
