import assert from 'node:assert/strict';
import { test } from 'node:test';
import { localUrl } from '../../src/util/host-port.ts';

test('what listens on one address is reached there, and what listens on every address on loopback', () => {
  const cases = {
    '127.0.0.1': 'http://127.0.0.1:7420',
    '192.168.7.4': 'http://192.168.7.4:7420',
    '0.0.0.0': 'http://127.0.0.1:7420',
    '::': 'http://[::1]:7420',
    'fd00::4': 'http://[fd00::4]:7420',
  };
  for (const [host, url] of Object.entries(cases)) assert.equal(localUrl({ host, port: 7420 }), url);
});
