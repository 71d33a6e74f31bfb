import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fastify } from 'fastify';
import type { App } from '../../src/api/app.ts';
import { pageRoutes } from '../../src/api/page.ts';
import { serve } from './api-fixture.ts';

async function built(t: { after: (work: () => unknown) => void }): Promise<App> {
  const directory = await mkdtemp(join(tmpdir(), 'shoal-page-'));
  await writeFile(join(directory, 'index.html'), '<!doctype html><title>x</title>');
  await writeFile(join(directory, 'app-ABCDEFGH.js'), 'let a = 1;'.repeat(100));
  await writeFile(join(directory, 'secret.txt'), 'no');
  const app = fastify() as unknown as App;
  await pageRoutes(app, { directory });
  t.after(async () => {
    await app.close();
    await rm(directory, { recursive: true });
  });
  return app;
}

test('the page allows nothing that is inline and nothing from elsewhere', async (t) => {
  const app = await built(t);
  const { headers, statusCode } = await app.inject('/');
  assert.equal(statusCode, 200);
  const policy = String(headers['content-security-policy']);
  for (const part of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"]) {
    assert.ok(policy.includes(part), part);
  }
  assert.doesNotMatch(policy, /unsafe|https?:|\*|data:/);
  assert.equal(headers['x-content-type-options'], 'nosniff');
  assert.equal(headers['referrer-policy'], 'no-referrer');
  assert.equal(headers['x-frame-options'], 'DENY');
});

test('the page is asked for again each time, its parts never', async (t) => {
  const app = await built(t);
  const { headers } = await app.inject('/');
  assert.equal(headers['cache-control'], 'no-cache');
  const again = await app.inject({ url: '/', headers: { 'if-none-match': String(headers.etag) } });
  assert.equal(again.statusCode, 304);
  const script = await app.inject('/page/app-ABCDEFGH.js');
  assert.match(String(script.headers['cache-control']), /immutable/);
  assert.equal(script.headers['content-type'], 'text/javascript; charset=utf-8');
  const zipped = await app.inject({ url: '/page/app-ABCDEFGH.js', headers: { 'accept-encoding': 'gzip, br' } });
  assert.equal(zipped.headers['content-encoding'], 'gzip');
  assert.ok(zipped.rawPayload.length < script.rawPayload.length);
});

test('nothing else of the directory is served, and nothing outside it', async (t) => {
  const app = await built(t);
  for (const path of ['/page/secret.txt', '/page/index.html', '/page/..%2f..%2fpackage.json', '/page/none.js']) {
    // No error handler here: what would become a 404 document is fastify's own answer.
    assert.ok((await app.inject(path)).statusCode >= 400, path);
  }
});

test('the page needs no token, what it shows does', async (t) => {
  const { request } = await serve(t, [], { token: 'secret' });
  assert.notEqual((await request('/')).status, 401);
  for (const path of ['/v1/fleet', '/v1/fleet/nodes', '/v1/pieces?model=x', '/v1/events']) {
    assert.equal((await request(path)).status, 401, path);
  }
});
