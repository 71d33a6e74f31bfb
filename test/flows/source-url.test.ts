import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { isForbiddenAddress, placeOf, redirected, shownUrl } from '../../src/flows/source-url.ts';
import { openUrl } from '../../src/flows/url-reader.ts';
import { codeOf } from '../../src/util/errors.ts';

const invalid = (error: unknown): boolean => codeOf(error) === 'invalid';

test('a source_url is http(s) anywhere but where only this machine is answered, or a file below an origin', () => {
  const origins = ['file:///mnt/nas/models', 'https://me:secret@nas.local/models/'];
  assert.deepEqual(placeOf('https://host/a.gguf?sig=1', origins), {
    kind: 'http',
    url: 'https://host/a.gguf?sig=1',
    headers: {},
  });
  const inOrigin = placeOf('https://nas.local/models/a.gguf', origins);
  assert.ok(inOrigin.kind === 'http' && inOrigin.headers['authorization']?.startsWith('Basic '));
  assert.deepEqual(placeOf('https://nas.local/other/a.gguf', origins), {
    kind: 'http',
    url: 'https://nas.local/other/a.gguf',
    headers: {},
  });
  const file = placeOf('file:///mnt/nas/models/llm/a%20b.gguf', origins);
  assert.deepEqual(file, { kind: 'file', path: '/mnt/nas/models/llm/a b.gguf', root: '/mnt/nas/models/' });
  for (const refused of [
    'file:///etc/passwd',
    'file:///mnt/nas/models-secret/a.gguf',
    'file:///mnt/nas/models/../../../etc/shadow',
    'file:///mnt/nas/models/..%2f..%2fetc/shadow',
    'http://169.254.169.254/latest/meta-data',
    'http://[fe80::1]/x',
    'http://[::ffff:169.254.169.254]/x',
    'http://0.0.0.0/x',
    'http://0xa9fea9fe/x',
    'ftp://host/x',
    'javascript:alert(1)',
    'not a url',
  ]) {
    assert.throws(() => placeOf(refused, origins), invalid, refused);
  }
});

test('redirections stay on the web, never become less safe, and lose logins; logs never see a query', () => {
  assert.equal(redirected('https://a/x', 'https://me:pw@b/y'), 'https://b/y');
  assert.equal(redirected('http://a/x', '/y'), 'http://a/y');
  for (const [from, to] of [
    ['https://a/x', 'http://a/x'],
    ['http://a/x', 'file:///etc/passwd'],
    ['http://a/x', 'http://169.254.169.254/'],
  ] as const) {
    assert.throws(() => redirected(from, to), invalid, `${from} → ${to}`);
  }
  assert.equal(shownUrl('https://me:pw@host/a%20b.gguf?secret=1#x'), 'https://host/a b.gguf');
  assert.ok(isForbiddenAddress('169.254.1.1') && !isForbiddenAddress('127.0.0.1') && !isForbiddenAddress('10.0.0.1'));
});

async function serving(listener: RequestListener, work: (url: string) => Promise<void>): Promise<void> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const read = async (url: string, offset = 0): Promise<{ offset: number; bytesTotal: number; text: string }> => {
  const opened = await openUrl({ kind: 'http', url, headers: { authorization: 'Basic x' } }, offset);
  const chunks: Uint8Array[] = [];
  for await (const chunk of opened.body) chunks.push(chunk);
  return { offset: opened.offset, bytesTotal: opened.bytesTotal, text: Buffer.concat(chunks).toString() };
};

test('a download goes on in the middle where the server can, and starts anew where it cannot', async () => {
  await serving(
    (request, response) => {
      const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
      if (request.url === '/plain' || from === 0) response.writeHead(200, { 'content-length': 6 }).end('abcdef');
      else if (from >= 6) response.writeHead(416, { 'content-range': 'bytes */6' }).end();
      else response.writeHead(206, { 'content-range': `bytes ${from}-5/6` }).end('abcdef'.slice(from));
    },
    async (url) => {
      assert.deepEqual(await read(`${url}/ranged`, 4), { offset: 4, bytesTotal: 6, text: 'ef' });
      assert.deepEqual(await read(`${url}/plain`, 4), { offset: 0, bytesTotal: 6, text: 'abcdef' });
      assert.deepEqual(await read(`${url}/ranged`, 9), { offset: 0, bytesTotal: 6, text: 'abcdef' });
    },
  );
});

test('logins do not follow a redirection to another host; a ring of them ends', async () => {
  const seen: (string | undefined)[] = [];
  await serving(
    (request, response) => {
      seen.push(request.headers.authorization);
      response.writeHead(200, { 'content-length': 2 }).end('ok');
    },
    async (other) => {
      await serving(
        (request, response) => {
          const location = request.url === '/ring' ? '/ring' : `${other}/y`;
          response.writeHead(302, { location }).end();
        },
        async (url) => {
          assert.equal((await read(`${url}/x`)).text, 'ok');
          assert.deepEqual(seen, [undefined]);
          await assert.rejects(read(`${url}/ring`), (error) => codeOf(error) === 'source-lied');
        },
      );
    },
  );
});
