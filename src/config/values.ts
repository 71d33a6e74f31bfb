import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseBytes } from '../util/bytes.ts';
import { ShoalError } from '../util/errors.ts';
import { type HostPort, parseHostPort } from '../util/host-port.ts';

/** Parsers of single values: messages name the value and the remedy, the caller puts the setting's name in front. */

function wrong(value: string, problem: string, remedy: string): ShoalError {
  return new ShoalError('invalid', `"${value}" ${problem}`, { remedy });
}

export function parseName(text: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(text)) {
    throw wrong(text, 'is not a node name', 'Use up to 63 letters, digits, dots, dashes and underscores.');
  }
  return text;
}

/** Absolute; relative to `baseDir`, and `~/` is the home directory. */
export function parsePath(text: string, baseDir: string): string {
  if (text === '' || text.includes('\0')) throw wrong(text, 'is not a path', 'Name a file or directory.');
  if (text === '~' || text.startsWith('~/')) return join(homedir(), text.slice(1));
  return resolve(baseDir, text);
}

/** Also takes `http://HOST:PORT`, since the client commands read the same variable as a URL. */
export function parseAddress(text: string, defaultHost: string): HostPort {
  try {
    return parseHostPort(text.replace(/^https?:\/\//i, '').replace(/\/$/, ''), defaultHost);
  } catch (error) {
    if (error instanceof ShoalError) throw wrong(text, `is ${error.message}`, error.remedy ?? '');
    throw error;
  }
}

export function parseAdvertise(text: string): { host: string; port?: number } {
  const bare = text.replace(/^http:\/\//i, '').replace(/\/$/, '');
  const match = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?$/.exec(bare);
  const host = match?.[1]?.replace(/^\[(.*)\]$/, '$1');
  const port = match?.[2] === undefined ? undefined : Number(match[2]);
  if (host === undefined || (port !== undefined && (port < 1 || port > 65_535))) {
    throw wrong(
      text,
      'is not an address',
      'Write HOST or HOST:PORT as the orchestrator can reach it, like gpu-1:7420.',
    );
  }
  return { host, ...(port === undefined ? {} : { port }) };
}

export function parseSize(text: string): number {
  const bytes = parseBytes(text);
  if (!Number.isSafeInteger(bytes)) throw wrong(text, 'is too large', 'Write sizes like 500MB, 40MiB or 10G.');
  return bytes;
}

/** A size per second; 0 would let nothing pass. */
export function parseRate(text: string): number {
  let bytes: number;
  try {
    bytes = parseSize(text);
  } catch {
    throw wrong(text, 'is not a rate', 'Write bytes per second like 500MB, 40MiB or 10G.');
  }
  if (bytes < 1) throw wrong(text, 'would let nothing pass', 'Leave it out for no limit, or write a rate like 40MiB.');
  return bytes;
}

const DAY_MS = 86_400_000;
const DURATIONS: Readonly<Record<string, number>> = { ms: 1, s: 1e3, m: 60e3, min: 60e3, h: 3_600e3, d: DAY_MS };
/** Timers of Node end at 2^31 − 1 ms. */
const DURATION_MAX_MS = 24 * DAY_MS;

/** Milliseconds from `500ms`, `2s`, `10m`, `1h` or a plain number of seconds. */
export function parseDuration(text: string): number {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(text);
  const factor = DURATIONS[(match?.[2] ?? '').toLowerCase() || 's'];
  const ms = Math.round(Number(match?.[1]) * (factor ?? NaN));
  if (!(ms >= 0 && ms <= DURATION_MAX_MS)) {
    throw wrong(text, 'is not a duration', 'Write durations like 500ms, 2s, 10m or 1h, up to 24d.');
  }
  return ms;
}

export function parseWorkers(text: string): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || count < 1 || count > 64) throw wrong(text, 'is not a number of threads', 'Write 1 to 64.');
  return count;
}

export function parseSwitch(text: string): boolean {
  if (/^(true|yes|on|1)$/i.test(text)) return true;
  if (/^(false|no|off|0)$/i.test(text)) return false;
  throw wrong(text, 'is neither true nor false', 'Write true or false.');
}

export function parseChoice<T extends string>(text: string, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === text);
  if (found === undefined) throw wrong(text, 'is not one of the choices', `Choose from ${choices.join(', ')}.`);
  return found;
}

/** The form only: whether it can be dialled is the swarm's to say. */
export function parseMultiaddr(text: string): string {
  if (!/^\/(ip4|ip6|dns|dns4|dns6|dnsaddr)\/[^/\s]+(\/[^/\s]+)*$/.test(text)) {
    throw wrong(
      text,
      'is not a multiaddr',
      'Write it like /ip4/10.0.0.2/tcp/7421; "shoal status" on that node tells it.',
    );
  }
  return text;
}

/** `file:` and `http(s):` URLs, and absolute paths for the former; web origins end with a slash. */
export function parseOrigin(text: string): string {
  const remedy = 'Write file:///mnt/nas/models for a mounted directory or http(s)://nas/models/ for a web server.';
  if (isAbsolute(text)) return pathToFileURL(text).href;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined) throw wrong(text, 'is not a URL', remedy);
  if (url.protocol === 'file:') {
    if (url.host !== '') throw wrong(text, `names the machine "${url.host}"`, 'Mount it, then write file:///path.');
    return pathToFileURL(fileURLToPath(url)).href;
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw wrong(text, 'is not a kind of origin that is known here', remedy);
  }
  if (url.search !== '' || url.hash !== '') throw wrong(text, 'has a query or a fragment', remedy);
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  return url.href;
}

export function parseOrchestratorUrl(text: string): string {
  // The protocol's own prefix is added to each request.
  const what = { kind: 'an orchestrator', example: 'http://10.0.0.5:8080', tokenSetting: 'orchestrator-token-file' };
  return parseWebUrl(text, what).replace(/\/v2\/$/, '/');
}

export function parseServiceUrl(text: string): string {
  return parseWebUrl(text, {
    kind: 'a pool manager',
    example: 'http://127.0.0.1:9200',
    tokenSetting: 'pool-manager: {url, token-file}',
  });
}

/** Ends with a slash. */
function parseWebUrl(text: string, what: { kind: string; example: string; tokenSetting: string }): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw wrong(text, `is not the URL of ${what.kind}`, `Write it like ${what.example}.`);
  }
  if (url.username !== '' || url.password !== '') {
    url.username = '';
    url.password = '';
    throw wrong(
      url.href,
      'was given with credentials',
      `Put the token into a file and name it with ${what.tokenSetting}.`,
    );
  }
  return url.href.endsWith('/') ? url.href : `${url.href}/`;
}

/** One line of visible ASCII, as it goes into a header. */
export function parseToken(text: string): string {
  const token = text.trim();
  if (!/^[\x21-\x7e]{1,4096}$/.test(token)) {
    throw new ShoalError('invalid', 'holds no usable token', {
      remedy: 'A token is one line of visible ASCII characters; "openssl rand -hex 32" makes a good one.',
    });
  }
  return token;
}
