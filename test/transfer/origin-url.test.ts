import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileUrl, parseOriginUrl } from '../../src/transfer/origin-url.ts';

test('an origin is shown without credentials, query and trailing slash', () => {
  const address = parseOriginUrl('https://nas:p%20w@nas.local:8443/models/?token=x#y');
  assert.deepEqual(address, {
    kind: 'http',
    shown: 'https://nas.local:8443/models',
    base: 'https://nas.local:8443/models/',
    headers: { authorization: `Basic ${Buffer.from('nas:p w').toString('base64')}` },
  });
  assert.deepEqual(parseOriginUrl('http://nas'), {
    kind: 'http',
    shown: 'http://nas',
    base: 'http://nas/',
    headers: {},
  });
});

test('a mounted directory is a file URL', () => {
  assert.deepEqual(parseOriginUrl('file:///mnt/nas/my%20models/'), {
    kind: 'file',
    shown: 'file:///mnt/nas/my%20models',
    root: '/mnt/nas/my models/',
  });
});

test('what is no origin is refused, and its text, which may hold a password, is not repeated', () => {
  for (const text of ['nas:/models', 'ftp://user:secret@nas/', '/mnt/nas', 'file://nas/models', 'https://']) {
    assert.throws(
      () => parseOriginUrl(text),
      (error) => error instanceof Error && error.name === 'ShoalError' && !error.message.includes('secret'),
    );
  }
});

test('a path cannot leave the base', () => {
  const base = 'http://nas/models/';
  assert.equal(fileUrl(base, 'a b/c#d?e%2f.bin'), 'http://nas/models/a%20b/c%23d%3Fe%252f.bin');
  assert.equal(new URL(fileUrl(base, '//evil/x')).host, 'nas');
});
