import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { openUrl } from '../../src/flows/url-reader.ts';

test('a file of which every byte is here is not sent again, one that is shorter now is', async () => {
  const asked: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    const { range } = request.headers;
    asked.push(range);
    if (range === undefined) response.writeHead(200, { 'content-length': 10 }).end('0123456789');
    else response.writeHead(416, { 'content-range': 'bytes */10' }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/m.gguf`;
  try {
    const whole = await openUrl({ kind: 'http', url, headers: {} }, 10);
    assert.deepEqual([whole.offset, whole.bytesTotal, (await buffer(whole.body)).length], [10, 10, 0]);
    assert.deepEqual(asked, ['bytes=10-']);
    const shorter = await openUrl({ kind: 'http', url, headers: {} }, 12);
    assert.deepEqual([shorter.offset, shorter.bytesTotal, (await buffer(shorter.body)).length], [0, 10, 10]);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
