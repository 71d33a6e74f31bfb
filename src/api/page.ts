import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { FastifyReply } from 'fastify';
import type { App } from './app.ts';
import { isUnchanged } from './etag.ts';
import { securityHeaders } from './guard.ts';
import { RequestError } from './problem.ts';

/** Written by `npm run build`; the same distance from `src/api` as from `dist/api`. */
const BUILT = fileURLToPath(new URL('../../dist/page/', import.meta.url));

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** Everything comes from this server, nothing is inline, and no text ever becomes markup. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

interface Asset {
  readonly type: string;
  readonly etag: string;
  readonly bytes: Buffer;
  readonly zipped: Buffer;
}

/** The page for people, at `/`. It holds nothing secret: what it shows it asks for with the token that is typed into it. */
export async function pageRoutes(app: App, options: { readonly directory?: string } = {}): Promise<void> {
  const assets = await readAssets(options.directory ?? BUILT);

  app.get('/', { config: { open: true }, schema: { hide: true } }, (request, reply) => {
    const asset = assets.get('index.html');
    if (asset === undefined) throw notBuilt();
    const { etag } = asset;
    void reply.headers({
      ...securityHeaders,
      'content-security-policy': CONTENT_SECURITY_POLICY,
      'cross-origin-opener-policy': 'same-origin',
      'cache-control': 'no-cache',
      etag,
    });
    return isUnchanged(request.headers['if-none-match'], etag) ? reply.code(304).send() : send(asset, request, reply);
  });

  app.get<{ Params: { name: string } }>(
    '/page/:name',
    { config: { open: true }, schema: { hide: true } },
    (request, reply) => {
      const { name } = request.params;
      const asset = name === 'index.html' ? undefined : assets.get(name);
      if (asset === undefined) {
        throw new RequestError(404, 'no-such-route', 'the page has no such part', 'Load the page again.');
      }
      // The name holds a digest of the content.
      void reply.headers({ 'cache-control': 'public, max-age=31536000, immutable', etag: asset.etag });
      return send(asset, request, reply);
    },
  );
}

type Request = { readonly headers: { readonly 'accept-encoding'?: string | string[] | undefined } };
type Reply = Pick<FastifyReply, 'header' | 'type' | 'send'>;

function send(asset: Asset, request: Request, reply: Reply): unknown {
  const isZipped = /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''));
  void reply.header('vary', 'accept-encoding').type(asset.type);
  if (isZipped) void reply.header('content-encoding', 'gzip');
  return reply.send(isZipped ? asset.zipped : asset.bytes);
}

/** Held in memory: some ten kilobytes. */
async function readAssets(directory: string): Promise<ReadonlyMap<string, Asset>> {
  const assets = new Map<string, Asset>();
  const names = await readdir(directory).catch(() => []);
  for (const name of names) {
    const type = TYPES[extname(name)];
    if (type === undefined) continue;
    const bytes = await readFile(`${directory}/${name}`);
    const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`;
    assets.set(name, { type, etag, bytes, zipped: await promisify(gzip)(bytes) });
  }
  return assets;
}

function notBuilt(): RequestError {
  return new RequestError(404, 'no-such-route', 'the page has not been built', 'Run "npm run build", then restart.');
}
