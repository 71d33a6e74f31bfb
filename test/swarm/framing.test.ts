import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { generateKeyPair } from '@libp2p/crypto/keys';
import type { Stream } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import { FramedStream, sendAll } from '../../src/swarm/framing.ts';
import { createSwarmNode, type SwarmNode } from '../../src/swarm/node.ts';
import { announceWindowSeldom } from '../../src/swarm/receive-window.ts';
import { ShoalError } from '../../src/util/errors.ts';
import { silentLog } from '../../src/util/log.ts';
import { fleetKey, never, rejectsWith, until } from './scene.ts';

const PROTOCOL = '/test/1';
let server: SwarmNode;
let client: SwarmNode;
let onStream: (stream: Stream) => void = () => undefined;

async function startNode(): Promise<SwarmNode> {
  const privateKey = await generateKeyPair('Ed25519');
  const listen = [multiaddr('/ip4/127.0.0.1/tcp/0')];
  return createSwarmNode({ privateKey, fleetKey, listen, mdns: false }, { log: silentLog });
}

before(async () => {
  server = await startNode();
  client = await startNode();
  await server.handle(PROTOCOL, (stream) => onStream(stream));
});

after(async () => {
  await Promise.all([server.stop(), client.stop()]);
});

/** Both ends of a new stream. */
async function pair(): Promise<{ near: Stream; far: Stream }> {
  const far = new Promise<Stream>((resolve) => {
    onStream = resolve;
  });
  const near = await client.dialProtocol(server.getMultiaddrs(), PROTOCOL);
  return { near, far: await far };
}

test('messages arrive whole and in order, whatever their size', async () => {
  const { near, far } = await pair();
  const writer = new FramedStream(near, { maxBytes: 1e7 });
  const reader = new FramedStream(far, { maxBytes: 1e7 });
  const messages = [0, 1, 3, 65_536, 65_537, 1_000_000, 5_000_000].map((size, index) =>
    new Uint8Array(size).fill(index),
  );
  const writing = (async () => {
    for (const message of messages) await writer.write(message, never);
    await writer.close(never);
  })();
  for (const message of messages) assert.deepEqual(await reader.read(never), message);
  assert.equal(await reader.read(never), undefined);
  await writing;
});

test('a length above the limit is refused before anything is kept for it', async () => {
  const { near, far } = await pair();
  const reader = new FramedStream(far, { maxBytes: 1000 });
  near.send(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 1, 2, 3));
  await rejectsWith('source-lied', reader.read(never));
  await until('cut off', () => near.status !== 'open');
});

test('a message that ends early is refused', async () => {
  for (const bytes of [Uint8Array.of(0, 0), Uint8Array.of(0, 0, 0, 9, 1, 2)]) {
    const { near, far } = await pair();
    const reader = new FramedStream(far, { maxBytes: 1000 });
    near.send(bytes);
    await near.close();
    await rejectsWith('source-lied', reader.read(never));
  }
});

test('a broken stream is told from an ended one', async () => {
  const { near, far } = await pair();
  const reader = new FramedStream(far, { maxBytes: 1000 });
  near.abort(new Error('power cut'));
  await rejectsWith('source-gone', reader.read(never));
});

test('what nobody reads waits at the sender, on both sides within a few MiB', async () => {
  const { near, far } = await pair();
  const reader = new FramedStream(far, { maxBytes: 2 ** 20 });
  const writer = new FramedStream(near, { maxBytes: 2 ** 20 });
  const message = new Uint8Array(2 ** 20);
  let written = 0;
  let queued = 0;
  const writing = (async () => {
    for (; written < 24; written += 1) {
      await writer.write(message, never);
      queued = Math.max(queued, near.writeBufferLength);
    }
  })();
  await delay(300);
  assert.ok(written < 8, `${written} MiB were taken from the writer`);
  for (let read = 0; read < 24; read += 1) assert.equal((await reader.read(never))?.length, message.length);
  await writing;
  assert.ok(queued < 2 ** 20, `${queued} bytes were queued`);
});

test('waiting for room ends with the signal and with the stream', async () => {
  const { near, far } = await pair();
  far.pause();
  const fill = async (signal: AbortSignal): Promise<void> => {
    for (;;) await sendAll(near, new Uint8Array(2 ** 18), signal);
  };
  await assert.rejects(fill(AbortSignal.timeout(100)), { name: 'TimeoutError' });
  const filling = fill(never);
  setTimeout(() => near.abort(new Error('enough')), 50);
  await assert.rejects(filling, (error) => error instanceof ShoalError && error.code === 'source-gone');
});

test('short messages are not each answered with a window, and the window does not run out', async () => {
  const { near, far } = await pair();
  announceWindowSeldom(far);
  let windows = 0;
  const inside = far as unknown as { sendFrame(frame: { readonly type: number }): void };
  const sendFrame = inside.sendFrame.bind(far);
  inside.sendFrame = (frame) => {
    windows += frame.type === 1 ? 1 : 0;
    sendFrame(frame);
  };
  const writer = new FramedStream(near, { maxBytes: 1e7 });
  const reader = new FramedStream(far, { maxBytes: 1e7 });
  for (let index = 0; index < 100; index += 1) {
    await writer.write(Uint8Array.of(index), never);
    assert.deepEqual(await reader.read(never), Uint8Array.of(index));
  }
  // The first answers the opening of the stream.
  assert.ok(windows <= 1, `${windows} windows for 100 messages`);
  const large = new Uint8Array(5_000_000);
  const writing = writer.write(large, never);
  assert.deepEqual(await reader.read(never), large);
  await writing;
});
