import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import type { Problem } from '../../src/api/schemas.ts';
import { startApi } from '../../src/api/start-api.ts';
import { ShoalError } from '../../src/util/errors.ts';
import { silentLog } from '../../src/util/log.ts';
import { serve } from './api-fixture.ts';
import { FakeNode, modelView } from './fake-node.ts';

/** fetch sets Host and Origin itself; this sends what it is told. */
async function rawRequest(
  url: string,
  options: { method?: string; headers?: Record<string, string> },
): Promise<{ status: number; code: string | undefined }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { method: 'GET', ...options }, (response) => {
      text(response).then((body) => {
        const code = body === '' ? undefined : (JSON.parse(body) as { code?: string }).code;
        resolve({ status: response.statusCode ?? 0, code });
      }, reject);
    });
    request.on('error', reject);
    request.end();
  });
}

test('a token protects everything but health', async (t) => {
  const { request } = await serve(t, [modelView('m')], { token: 'right-token' });
  for (const path of ['/healthz', '/readyz']) assert.equal((await request(path)).status, 200, path);
  for (const path of ['/metrics', '/openapi.json', '/v1/node', '/v1/models', '/v1/models/m', '/v1/events', '/nope']) {
    const refused = await request(path);
    assert.equal(refused.status, 401, path);
    assert.match(refused.headers.get('www-authenticate') ?? '', /^Bearer/);
    assert.equal(((await refused.json()) as { code: string }).code, 'unauthorized');
  }
  const as = async (authorization: string) => (await request('/v1/node', { headers: { authorization } })).status;
  assert.equal(await as('Bearer right-token'), 200);
  for (const wrong of [
    'Bearer right-toke',
    'Bearer right-token2',
    'Bearer',
    'Basic right-token',
    'right-token',
    'Bearer ',
  ]) {
    assert.equal(await as(wrong), 401, wrong);
  }
  assert.equal(await as(`Bearer ${'x'.repeat(9_000)}`), 401);
  assert.equal((await request('/metrics', { headers: { authorization: 'Bearer right-token' } })).status, 200);
});

test('without a token it does not listen beyond loopback', async () => {
  for (const host of ['0.0.0.0', '::', '192.0.2.1', 'example.org']) {
    const options = { host, port: 0, version: '0' };
    await assert.rejects(startApi(options, { service: new FakeNode(), log: silentLog }), (error) => {
      assert.ok(error instanceof ShoalError && error.code === 'invalid');
      assert.match(error.message, /without a token/);
      assert.match(error.remedy ?? '', /SHOAL_TOKEN/);
      return true;
    });
  }
});

test('with a token it listens everywhere, under any name', async (t) => {
  const { api } = await serve(t, [], { host: '0.0.0.0', token: 'x' });
  assert.equal(api.url, `http://127.0.0.1:${api.address.port}`);
  const headers = { host: 'gpu-1.example', authorization: 'Bearer x' };
  assert.equal((await rawRequest(`${api.url}/v1/node`, { headers })).status, 200);
});

test('on loopback only names of loopback are answered', async (t) => {
  const { api } = await serve(t);
  const { port } = api.address;
  for (const host of [`127.0.0.1:${port}`, 'localhost:8080', '[::1]:80', 'shoal.localhost', '127.1.2.3']) {
    assert.equal((await rawRequest(`${api.url}/v1/node`, { headers: { host } })).status, 200, host);
  }
  for (const host of ['evil.example', `evil.example:${port}`, '127.0.0.1.evil.example', 'localhost.evil.example']) {
    const refused = await rawRequest(`${api.url}/v1/node`, { headers: { host } });
    assert.deepEqual(refused, { status: 421, code: 'forbidden-host' }, host);
  }
});

test('pages of other sites change nothing', async (t) => {
  const { api, node } = await serve(t);
  const post = (origin: string) => rawRequest(`${api.url}/v1/rescan`, { method: 'POST', headers: { origin } });
  assert.deepEqual(await post('https://evil.example'), { status: 403, code: 'forbidden-origin' });
  assert.deepEqual(await post('null'), { status: 403, code: 'forbidden-origin' });
  assert.deepEqual(node.calls, []);
  assert.equal((await post(api.url)).status, 204);
  const said = (site: string) =>
    rawRequest(`${api.url}/v1/rescan`, { method: 'POST', headers: { 'sec-fetch-site': site } });
  assert.deepEqual(await said('cross-site'), { status: 403, code: 'forbidden-origin' });
  assert.deepEqual(await said('same-site'), { status: 403, code: 'forbidden-origin' });
  assert.equal((await said('same-origin')).status, 204);
});

test('every answer carries the security headers and the correlation id', async (t) => {
  const { request } = await serve(t);
  for (const path of ['/healthz', '/v1/node', '/nope', '/v1/models/%zz']) {
    const { headers } = await request(path, { headers: { 'x-correlation-id': 'abc-123' } });
    assert.equal(headers.get('x-correlation-id'), 'abc-123', path);
    assert.equal(headers.get('x-content-type-options'), 'nosniff', path);
    assert.equal(headers.get('cache-control'), 'no-store', path);
    assert.match(headers.get('content-security-policy') ?? '', /default-src 'none'/);
    assert.equal(headers.get('access-control-allow-origin'), null);
  }
  const made = (await request('/healthz')).headers.get('x-correlation-id');
  assert.match(made ?? '', /^[0-9a-f-]{36}$/);
  const unsafe = await request('/healthz', { headers: { 'x-correlation-id': '<script>' } });
  assert.notEqual(unsafe.headers.get('x-correlation-id'), '<script>');
});

test('an address that is taken is said with the remedy', async (t) => {
  const { api } = await serve(t);
  const options = { ...api.address, version: '0' };
  await assert.rejects(startApi(options, { service: new FakeNode(), log: silentLog }), (error) => {
    assert.ok(error instanceof ShoalError && error.code === 'conflict');
    assert.match(error.message, new RegExp(`127.0.0.1:${api.address.port}.*EADDRINUSE`));
    assert.match(error.remedy ?? '', /--api/);
    return true;
  });
});

test('what is no HTTP, or too much of it, ends only its own connection', async (t) => {
  const { api, request } = await serve(t);
  const send = async (bytes: string): Promise<string> => {
    const socket = connect(api.address.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(bytes);
    return text(socket).catch(() => '');
  };
  const refusal = async (bytes: string): Promise<unknown> => {
    const [head = '', body = ''] = (await send(bytes)).split('\r\n\r\n');
    assert.match(head, /^content-type: application\/problem\+json$/m);
    assert.match(head, /^x-content-type-options: nosniff$/m);
    const { status, code, remedy } = JSON.parse(body) as Problem;
    assert.ok(head.startsWith(`HTTP/1.1 ${status} `) && remedy);
    return [status, code];
  };
  assert.deepEqual(await refusal('\x16\x03\x01 hello\r\n\r\n'), [400, 'invalid']);
  const large = `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(40_000)}\r\n\r\n`;
  assert.deepEqual(await refusal(large), [431, 'too-large']);
  assert.equal((await request('/healthz')).status, 200);
});
