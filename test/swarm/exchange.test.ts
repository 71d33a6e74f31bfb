import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bitfield } from '../../src/content/bitfield.ts';
import { manifestCid } from '../../src/content/cid.ts';
import { encodeManifest } from '../../src/content/manifest.ts';
import { geometryOf } from '../../src/content/piece-geometry.ts';
import { FramedStream } from '../../src/swarm/framing.ts';
import { HAVE_PROTOCOL, MANIFEST_PROTOCOL } from '../../src/swarm/protocols.ts';
import { HaveReport, ManifestReply } from '../../src/swarm/wire/exchange.js';
import { delay } from '../support/wait.ts';
import {
  addressOf,
  blake3,
  hexOf,
  listeningLog,
  never,
  type RunningSwarm,
  rejectsWith,
  runSwarm,
  until,
} from './scene.ts';

// 1,204 pieces, so that a bitfield has four bits of padding.
const sizeBytes = 301 * 1024 * 1024;
const { pieceSizeBytes, pieceCount } = geometryOf(sizeBytes);
const sha256 = hexOf('blob');
const manifest = encodeManifest({
  sizeBytes,
  pieceSizeBytes,
  sha256,
  pieceHashes: new Uint8Array(32 * pieceCount).fill(7),
});
const cid = manifestCid(manifest, blake3);
const partial = { sha256, sizeBytes, manifest: cid };

interface Pair extends AsyncDisposable {
  readonly a: RunningSwarm;
  readonly b: RunningSwarm;
}

/** Two nodes, of which `a` announces that it holds some of the blob. */
async function holderAndWatcher(parts: Parameters<typeof runSwarm>[1] = {}): Promise<Pair> {
  const a = await runSwarm({ name: 'a' });
  a.swarm.gossip.update([], [partial]);
  const b = await runSwarm({ name: 'b', bootstrap: [addressOf(a)] }, parts);
  await until('b knows a', () => b.swarm.fleet.providersOf(sha256).length === 1);
  return {
    a,
    b,
    async [Symbol.asyncDispose]() {
      await a[Symbol.asyncDispose]();
      await b[Symbol.asyncDispose]();
    },
  };
}

test('a manifest comes from whoever has it, proved by its CID', async () => {
  await using pair = await holderAndWatcher();
  const { a, b } = pair;
  await a.swarm.manifests.serve((wanted) => Promise.resolve(wanted === cid ? manifest : undefined));
  assert.deepEqual(await b.swarm.manifests.fetch(a.swarm.peerId, cid, never), manifest);
  const other = manifestCid(Uint8Array.of(1), blake3);
  await rejectsWith('not-found', b.swarm.manifests.fetch(a.swarm.peerId, other, never));
  const many = Array.from({ length: 20 }, () => b.swarm.manifests.fetch(a.swarm.peerId, cid, never));
  assert.equal((await Promise.all(many)).length, 20);
});

test('a manifest that is another one, too long, or never comes is refused', async () => {
  await using pair = await holderAndWatcher();
  const { a, b } = pair;
  let answer: (frames: FramedStream) => Promise<void> = () => Promise.resolve();
  await a.swarm.handle(
    MANIFEST_PROTOCOL,
    async (stream) => {
      const frames = new FramedStream(stream, { maxBytes: 1000 });
      await frames.read(never);
      await answer(frames);
    },
    { maxInboundStreams: 4 },
  );
  const fetch = (signal = never): Promise<Uint8Array> =>
    b.swarm.manifests.fetch(a.swarm.peerId, cid, signal, { maxBytes: 1e6 });
  const reply = (bytes: number): Uint8Array => ManifestReply.encode({ found: true, sizeBytes: bytes });

  answer = async (frames) => {
    await frames.write(reply(100), never);
    await frames.write(new Uint8Array(100), never);
  };
  await rejectsWith('source-lied', fetch());
  answer = (frames) => frames.write(reply(2 ** 45), never);
  await rejectsWith('source-lied', fetch());
  answer = async (frames) => {
    await frames.write(reply(100), never);
    await frames.write(new Uint8Array(101), never);
  };
  await rejectsWith('source-lied', fetch());
  answer = async (frames) => {
    await frames.write(reply(100), never);
    await frames.write(new Uint8Array(0), never);
  };
  await rejectsWith('source-lied', fetch());
  answer = (frames) => frames.close(never);
  await rejectsWith('source-gone', fetch());
  answer = () => new Promise(() => undefined);
  await assert.rejects(fetch(AbortSignal.timeout(100)), { name: 'TimeoutError' });
});

test('have maps come as a snapshot and then piece by piece', async () => {
  await using pair = await holderAndWatcher();
  const { a, b } = pair;
  const have = new Bitfield(pieceCount);
  have.add(3);
  let complete = false;
  await a.swarm.haveMaps.serve((wanted) => (wanted === sha256 ? { complete, have } : undefined));
  const view = b.swarm.haveMaps.watch(sha256, a.swarm.peerId);
  let changes = 0;
  view.onChange(() => {
    changes += 1;
  });
  await until('snapshot', () => view.has(3), 3000);
  assert.equal(view.count, 1);
  assert.equal(b.swarm.haveMaps.watch(sha256, a.swarm.peerId), view);

  const started = performance.now();
  for (let index = 10; index < 60; index += 1) {
    have.add(index);
    a.swarm.haveMaps.announce(sha256, index);
  }
  await until('50 more pieces', () => view.count === 51);
  assert.ok(performance.now() - started < 500);
  assert.ok(changes < 10, `${changes} messages for 50 pieces`);
  assert.equal(view.has(61), false);

  const changesBefore = changes;
  const beganMs = performance.now();
  for (let index = 100; index < 200; index += 1) {
    have.add(index);
    a.swarm.haveMaps.announce(sha256, index);
    await delay(5);
  }
  await until('100 more pieces, one by one', () => view.count === 151);
  const elapsedMs = performance.now() - beganMs;
  assert.ok(changes - changesBefore <= elapsedMs / 50 + 2, `${changes - changesBefore} messages in ${elapsedMs} ms`);

  complete = true;
  a.swarm.haveMaps.changed(sha256);
  await until('complete', () => view.complete);
  assert.ok(view.has(pieceCount - 1));
  assert.equal(view.has(pieceCount), false);
});

test('a view is empty while the peer has nothing or is gone, and fills again when it is back', async () => {
  await using pair = await holderAndWatcher();
  const { a, b } = pair;
  let have: Bitfield | undefined;
  await a.swarm.haveMaps.serve(() => have && { complete: false, have });
  const view = b.swarm.haveMaps.watch(sha256, a.swarm.peerId);
  view.onChange(() => undefined);
  have = Bitfield.full(pieceCount);
  a.swarm.haveMaps.changed(sha256);
  await until('all pieces', () => view.complete, 3000);
  have = undefined;
  a.swarm.haveMaps.changed(sha256);
  await until('nothing', () => view.count === 0);
  have = Bitfield.full(pieceCount);
  a.swarm.haveMaps.changed(sha256);
  await until('all pieces again', () => view.complete);
  await a[Symbol.asyncDispose]();
  await until('nothing once it is gone', () => view.count === 0);
  assert.equal(b.swarm.haveMaps.watch(hexOf('unknown'), a.swarm.peerId).count, 0);
});

test('have maps that do not fit their blob are refused and logged once', async () => {
  for (const report of [
    { snapshot: new Uint8Array(5) },
    { snapshot: new Uint8Array(Math.ceil(pieceCount / 8)).fill(255) },
    { delta: { steps: [pieceCount] } },
    { delta: { steps: Array.from({ length: 3000 }, () => 4_000_000_000) } },
  ]) {
    const { log, lines } = listeningLog();
    await using pair = await holderAndWatcher({ log });
    const { a, b } = pair;
    await a.swarm.handle(
      HAVE_PROTOCOL,
      async (stream) => {
        const frames = new FramedStream(stream, { maxBytes: 1000 });
        await frames.read(never);
        const message = HaveReport.encode({ sha256: Uint8Array.from(Buffer.from(sha256, 'hex')), ...report });
        await frames.write(message, never);
      },
      { maxInboundStreams: 4 },
    );
    const view = b.swarm.haveMaps.watch(sha256, a.swarm.peerId);
    view.onChange(() => undefined);
    const refused = await until('refused', () => lines.find(({ msg }) => msg === 'have map refused'), 3000);
    assert.equal(refused['peer'], a.swarm.peerId);
    assert.equal(view.count, 0);
  }
});

test('who watches too many blobs loses its stream', async () => {
  await using pair = await holderAndWatcher();
  const { a, b } = pair;
  await a.swarm.haveMaps.serve(() => undefined);
  const stream = await b.swarm.openStream(a.swarm.peerId, HAVE_PROTOCOL, never);
  const frames = new FramedStream(stream, { maxBytes: 1e6 });
  stream.addEventListener('message', () => undefined);
  const { HaveRequest } = await import('../../src/swarm/wire/exchange.js');
  await assert.rejects(async () => {
    for (let i = 0; i < 5000; i += 1) {
      const wanted = Uint8Array.from(Buffer.from(hexOf(`blob ${i}`), 'hex'));
      await frames.write(HaveRequest.encode({ sha256: wanted, watch: true }), never);
      if (i % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await until('cut off', () => stream.status !== 'open');
    throw new Error('cut off');
  });
  assert.notEqual(stream.status, 'open');
});
