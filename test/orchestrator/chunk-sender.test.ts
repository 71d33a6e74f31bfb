import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, createConnection } from 'node:net';
import { type TestContext, test } from 'node:test';
import { ChunkSender } from '../../src/api/orchestrator/chunk-sender.ts';
import { eventually } from '../support/wait.ts';

interface Served {
  readonly url: string;
  /** Memory that was lent, of all answers. */
  readonly buffers: ReadonlySet<Buffer>;
  readonly sent: () => number;
  /** Documents that are not made any further. */
  readonly ended: () => number;
}

/** A document without an end, whose chunks are numbered; or with `chunks` of them. */
async function serve(t: TestContext, sender: ChunkSender, chunks = Infinity): Promise<Served> {
  const buffers = new Set<Buffer>();
  let sent = 0;
  let ended = 0;
  function* numbered(lend: () => Buffer): Generator<Buffer> {
    try {
      for (let count = 0; count < chunks; count += 1) {
        const buffer = lend();
        buffers.add(buffer.fill(count % 251));
        sent += 1;
        yield buffer;
      }
    } finally {
      ended += 1;
    }
  }
  const server = createServer((_request, response) => {
    try {
      sender.admit();
    } catch {
      response.writeHead(503).end();
      return;
    }
    void sender.send(response, numbered);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, buffers, sent: () => sent, ended: () => ended };
}

test('a document arrives as it was made, although its chunks share two buffers', async (t) => {
  const { url, buffers } = await serve(t, new ChunkSender({ maxReaders: 1 }), 40);
  const body = await (await fetch(url)).bytes();
  const [chunk = Buffer.alloc(0)] = buffers;
  assert.equal(buffers.size, 2);
  assert.equal(body.length, 40 * chunk.length);
  for (let count = 0; count < 40; count += 1) {
    const part = body.subarray(count * chunk.length, (count + 1) * chunk.length);
    assert.ok(
      part.every((byte) => byte === count),
      `chunk ${count} was overwritten`,
    );
  }
});

test('a reader that falls asleep holds two buffers and a place, and gives the place back when it goes', async (t) => {
  const { url, buffers, sent, ended } = await serve(t, new ChunkSender({ maxReaders: 1 }));
  const sleeper = createConnection({ host: '127.0.0.1', port: Number(new URL(url).port) }).pause();
  sleeper.write('GET / HTTP/1.1\r\nhost: sleeper\r\n\r\n');
  let before = -1;
  await eventually('nothing goes out any more', () => (sent() > 0 && sent() === before) || ((before = sent()), false), {
    everyMs: 100,
  });
  assert.equal(buffers.size, 2);
  assert.equal((await fetch(url)).status, 503);
  sleeper.destroy();
  await eventually('the document is not made any further', () => ended() === 1);
  const other = new AbortController();
  assert.equal((await fetch(url, { signal: other.signal })).status, 200);
  other.abort();
});
