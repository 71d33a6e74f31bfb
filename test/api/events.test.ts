import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { EventStreams } from '../../src/api/event-streams.ts';
import { ApiClient } from '../../src/cli/api-client.ts';
import { silentLog } from '../../src/util/log.ts';
import { type Served, serve } from './api-fixture.ts';
import { FakeNode, modelView, transferView } from './fake-node.ts';

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let waited = 0; !holds(); waited += 5) {
    assert.ok(waited < 5_000, `waited in vain until ${what}`);
    await delay(5);
  }
}

async function subscribed({ node }: Served): Promise<void> {
  await until('somebody listens', () => node.listeners.size > 0);
}

test('events arrive with their names and data', async (t) => {
  const served = await serve(t);
  const client = new ApiClient({ url: served.api.url, token: undefined });
  const received: unknown[] = [];
  const stop = new AbortController();
  const reading = (async () => {
    for await (const event of client.events(stop.signal)) {
      received.push(event);
      if (received.length === 2) break;
    }
  })();
  await subscribed(served);
  const transfer = transferView('two\nlines');
  served.node.emit({ event: 'model', data: { id: 'ü', state: 'installed' } });
  served.node.emit({ event: 'transfer', data: transfer });
  await reading;
  assert.deepEqual(received, [
    { event: 'model', data: { id: 'ü', state: 'installed' } },
    { event: 'transfer', data: transfer },
  ]);
  await until('nobody listens any more', () => served.node.listeners.size === 0);
});

test('a reader sees a clean end when the API closes', async (t) => {
  const served = await serve(t);
  const response = await served.request('/v1/events');
  assert.equal(response.headers.get('content-type'), 'text/event-stream; charset=utf-8');
  const reading = response.text();
  await subscribed(served);
  await served.api[Symbol.asyncDispose]();
  assert.equal(await reading, 'retry: 1000\n\n: the daemon is ending\n\n');
  assert.equal(served.node.listeners.size, 0);
});

test('a reader that does not read is cut off, the others go on', async (t) => {
  const served = await serve(t);
  const slow = connect(served.api.address.port, '127.0.0.1');
  slow.on('error', () => undefined);
  slow.pause();
  slow.write('GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await subscribed(served);
  const response = await served.request('/v1/events');
  let bytes = 0;
  const reading = (async () => {
    for await (const chunk of response.body as AsyncIterable<Uint8Array>) bytes += chunk.byteLength;
  })();
  const data = { id: 'x'.repeat(100_000), state: 'installed' } as const;
  const dropped = async () => /shoal_api_subscribers_dropped_total 1/.test(await served.node.metrics.text());
  let sent = 0;
  while (!(await dropped())) {
    assert.ok(sent < 1_000, 'it is never cut off');
    served.node.emit({ event: 'model', data });
    sent += 1;
    await until('the other has read it', () => bytes > sent * 100_000);
  }
  served.node.emit({ event: 'model', data });
  await until('the other reads on', () => bytes > (sent + 1) * 100_000);
  await served.api[Symbol.asyncDispose]();
  await reading;
  slow.destroy();
});

test('comments keep a silent stream alive', async (t) => {
  assert.match(await readWithKeepAlive(t, 10), /: still here\n\n: still here\n\n/);
});

async function readWithKeepAlive(t: TestContext, keepAliveMs: number): Promise<string> {
  const streams = new EventStreams(
    { maxSubscribers: 1, bufferBytes: 1_000, keepAliveMs },
    { service: new FakeNode(), log: silentLog },
  );
  const server = createServer((_request, response) => streams.add(response, {}));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const { port } = server.address() as { port: number };
  const response = await fetch(`http://127.0.0.1:${port}/`);
  assert.throws(() => streams.admit(), /1 others read events already/);
  setTimeout(() => streams[Symbol.dispose](), 100);
  return response.text();
}

test('too many readers are refused with a problem', async (t) => {
  const served = await serve(t, [modelView('m')]);
  const stop = new AbortController();
  const readers = await Promise.all(
    Array.from({ length: 64 }, () => served.request('/v1/events', { signal: stop.signal })),
  );
  assert.ok(readers.every((response) => response.status === 200));
  const refused = await served.request('/v1/events');
  assert.equal(refused.status, 503);
  assert.equal(((await refused.json()) as { code: string }).code, 'too-many-subscribers');
  stop.abort();
  await Promise.allSettled(readers.map((response) => response.text()));
  await until('they are gone', () => served.node.listeners.size === 0);
});

test('ten thousand events at once cut nobody off who reads', async (t) => {
  const served = await serve(t);
  const response = await served.request('/v1/events');
  const reading = response.text();
  await subscribed(served);
  for (let index = 0; index < 10_000; index += 1) {
    const id = `checkpoints/${'x'.repeat(100)}-${index}.safetensors`;
    served.node.emit({ event: 'model', data: { id, state: 'missing' } });
  }
  // What is told in the last turn is sent before the end.
  await served.api[Symbol.asyncDispose]();
  const text = await reading;
  assert.equal(text.split('event: model\n').length, 10_001);
  assert.match(await served.node.metrics.text(), /^shoal_api_subscribers_dropped_total 0$/m);
});
