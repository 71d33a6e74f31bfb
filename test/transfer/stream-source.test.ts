import assert from 'node:assert/strict';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Stream } from '@libp2p/interface';
import { stampOf } from '../../src/store/file-stamp.ts';
import { RateLimiter } from '../../src/transfer/bandwidth.ts';
import { DataPlane } from '../../src/transfer/data-plane.ts';
import { PieceServer } from '../../src/transfer/piece-server.ts';
import { type Availability, everything, type PieceSource } from '../../src/transfer/piece-source.ts';
import { PieceStreams } from '../../src/transfer/piece-streams.ts';
import { ANSWER_BYTES, decodeAnswer, encodeRequest, RecordReader } from '../../src/transfer/piece-wire.ts';
import type { ServedBlob } from '../../src/transfer/serving.ts';
import { SOURCE_STALL_MS } from '../../src/transfer/source-session.ts';
import { StreamSourceOpener } from '../../src/transfer/stream-source.ts';
import { UploadLedger } from '../../src/transfer/upload-ledger.ts';
import { systemClock } from '../../src/util/clock.ts';
import { codeOf } from '../../src/util/errors.ts';
import { silentLog } from '../../src/util/log.ts';
import { Metrics } from '../../src/util/metrics.ts';
import { delay, eventually } from '../support/wait.ts';
import { testPieceSource } from './piece-source.conformance.ts';
import { TestBlob, TestFolder } from './support/blob.ts';
import { cheat, type Trick } from './support/hostile-server.ts';
import { SwarmPair } from './support/swarm-pair.ts';

const never = new AbortController().signal;

/** A served blob, an honest server for it, and a client. */
class StreamBench implements AsyncDisposable {
  readonly blob: TestBlob;
  readonly dir: string;
  readonly plane: DataPlane;
  readonly pair: SwarmPair;
  readonly server: PieceServer;
  readonly streams: PieceStreams;
  readonly limiter = new RateLimiter({ bytesPerSecond: Infinity }, { clock: systemClock });
  readonly changed: string[] = [];
  served: ServedBlob | undefined;
  trick: Trick | undefined;
  readonly #cheated: Stream[] = [];
  readonly #stack: AsyncDisposableStack;

  private constructor(
    parts: { blob: TestBlob; dir: string; plane: DataPlane; pair: SwarmPair },
    stack: AsyncDisposableStack,
  ) {
    const { plane, pair } = parts;
    this.blob = parts.blob;
    this.dir = parts.dir;
    this.plane = plane;
    this.pair = pair;
    this.server = stack.use(
      new PieceServer({
        plane,
        locate: (sha256) => (sha256 === this.blob.sha256 ? this.served : undefined),
        onChanged: ({ path }) => this.changed.push(path),
        limiter: this.limiter,
        ledger: new UploadLedger({ metrics: new Metrics() }),
        log: silentLog,
      }),
    );
    this.streams = stack.use(new PieceStreams({ open: pair.open, pool: plane.pool }));
    pair.serve = (stream, peerId) => {
      if (this.trick === undefined) return this.server.handle(stream, peerId);
      this.#cheated.push(stream);
      cheat(stream, this.blob, this.trick);
    };
    this.#stack = stack;
  }

  static async make(options: { seed: string; sizeBytes?: number }): Promise<StreamBench> {
    const stack = new AsyncDisposableStack();
    const folder = stack.use(await TestFolder.make());
    const plane = stack.use(new DataPlane({ workers: 1 }, { log: silentLog }));
    const blob = await TestBlob.make(options);
    const dir = await folder.folder('partial');
    const bench = await StreamBench.around({ plane, blob, folder, dir }, stack);
    return bench;
  }

  static async around(
    parts: { plane: DataPlane; blob: TestBlob; folder: TestFolder; dir: string },
    stack = new AsyncDisposableStack(),
  ): Promise<StreamBench> {
    const { plane, blob, folder, dir } = parts;
    const pair = stack.use(await SwarmPair.start());
    const bench = new StreamBench({ blob, dir, plane, pair }, stack);
    const path = join(folder.path, 'served.bin');
    await writeFile(path, blob.bytes);
    bench.served = { kind: 'file', path, stamp: stampOf(await stat(path, { bigint: true })) };
    return bench;
  }

  /** From now on the server is honest. */
  heal(): void {
    this.trick = undefined;
    for (const stream of this.#cheated.splice(0)) stream.abort(new Error('healed'));
  }

  async open(availability: Availability = everything): Promise<PieceSource> {
    const options = { peerId: this.pair.serverId, availability };
    const opener = new StreamSourceOpener(options, { streams: this.streams, plane: this.plane });
    return await opener.open(this.blob.target(this.dir), never);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

testPieceSource({
  name: 'peer',
  codes: { corrupt: ['piece-corrupt'], short: ['source-lied'], long: ['source-lied'], gone: ['source-gone'] },
  async make(parts) {
    const bench = await StreamBench.around(parts);
    const tricks = { corrupt: 'corrupt', short: 'short', long: 'long', stall: 'half', gone: 'resets' } as const;
    return {
      open: () => bench.open(),
      fault: (fault) => {
        bench.trick = tricks[fault];
        return Promise.resolve();
      },
      heal: async () => {
        bench.heal();
        await delay(20);
      },
      [Symbol.asyncDispose]: () => bench[Symbol.asyncDispose](),
    };
  },
});

for (const trick of ['short-next', 'wrong-id', 'garbage', 'endless', 'long', 'short'] as const) {
  test(`peer: a server that sends ${trick} is called a liar, and the others on its stream are not blamed twice`, async () => {
    await using bench = await StreamBench.make({ seed: trick });
    bench.trick = trick;
    const source = await bench.open();
    const fetches = bench.blob.pieces().map((piece) => source.fetch(piece, () => undefined, never));
    const codes = (await Promise.allSettled(fetches)).map((result) =>
      result.status === 'rejected' ? codeOf(result.reason) : 'ok',
    );
    assert.equal(codes.filter((code) => code === 'source-lied').length, 1, codes.join(' '));
    assert.ok(
      codes.every((code) => ['source-lied', 'source-gone', 'ok'].includes(code)),
      codes.join(' '),
    );
    await source.close();
    bench.heal();
    await delay(20);
    const again = await bench.open();
    await Promise.all(bench.blob.pieces().map((piece) => again.fetch(piece, () => undefined, never)));
    await again.close();
    assert.equal(bench.plane.pool.underWay, 0);
  });
}

test('peer: bytes after the last piece are a lie that the next piece hears of', async () => {
  await using bench = await StreamBench.make({ seed: 'afterwards' });
  bench.trick = 'endless';
  const source = await bench.open();
  await source.fetch(bench.blob.piece(0), () => undefined, never);
  await delay(50);
  await assert.rejects(
    source.fetch(bench.blob.piece(1), () => undefined, never),
    (error) => codeOf(error) === 'source-lied',
  );
  await source.close();
});

test('peer: who claims a piece and does not give it is a liar only if it still claims it a moment later', async () => {
  await using bench = await StreamBench.make({ seed: 'denies' });
  bench.trick = 'denies';
  const claims = new Set([0, 1]);
  const availability: Availability = {
    complete: false,
    has: (index) => claims.has(index),
    onChange: () => () => undefined,
  };
  const source = await bench.open(availability);
  const fetches = [0, 1].map((index) => source.fetch(bench.blob.piece(index), () => undefined, never));
  const settled = Promise.allSettled(fetches);
  claims.delete(1);
  const codes = (await settled).map((result) => (result.status === 'rejected' ? codeOf(result.reason) : 'ok'));
  assert.deepEqual(codes, ['source-lied', 'source-gone']);
  await source.close();
});

test('peer: a partial is served as far as it goes, also while it is being installed under its final name', async () => {
  await using bench = await StreamBench.make({ seed: 'partial' });
  const { served, blob } = bench;
  assert.ok(served?.kind === 'file');
  const { path, stamp } = served;
  const have = new Set([0, 3]);
  bench.served = { kind: 'partial', path, sizeBytes: blob.bytes.length, have };
  const source = await bench.open();
  await source.fetch(blob.piece(3), () => undefined, never);
  bench.served = { kind: 'partial', path: `${path}.moved`, sizeBytes: blob.bytes.length, have };
  const fetch = source.fetch(blob.piece(0), () => undefined, never);
  setImmediate(() => (bench.served = { kind: 'file', path, stamp }));
  await fetch;
  assert.deepEqual(bench.changed, []);
  await source.close();
});

test('peer: a file that was edited is not served, and its owner hears of it', async () => {
  await using bench = await StreamBench.make({ seed: 'edited' });
  const { served } = bench;
  assert.ok(served?.kind === 'file');
  await writeFile(served.path, new Uint8Array(bench.blob.bytes.length));
  const source = await bench.open();
  await assert.rejects(
    source.fetch(bench.blob.piece(0), () => undefined, never),
    (error) => codeOf(error) === 'source-gone',
  );
  assert.deepEqual(bench.changed, [served.path]);
  await source.close();
});

test('peer: one stream carries all blobs and stays for the next', async () => {
  await using bench = await StreamBench.make({ seed: 'shared' });
  const sources = await Promise.all([bench.open(), bench.open(), bench.open()]);
  await Promise.all(sources.map((source, index) => source.fetch(bench.blob.piece(index), () => undefined, never)));
  await Promise.all(sources.map((source) => source.close()));
  const later = await bench.open();
  await later.fetch(bench.blob.piece(3), () => undefined, never);
  await later.close();
  assert.equal(bench.pair.streamsServed, 1);
});

test('peer: an upload limit holds, and bytes still flow all the time', async () => {
  await using bench = await StreamBench.make({ seed: 'limit' });
  bench.limiter.setRate(1_000_000);
  const source = await bench.open();
  const startMs = performance.now();
  let lastMs = startMs;
  let longestMs = 0;
  let parts = 0;
  await Promise.all(
    [0, 1, 2].map((index) =>
      source.fetch(
        bench.blob.piece(index),
        () => {
          longestMs = Math.max(longestMs, performance.now() - lastMs);
          lastMs = performance.now();
          parts += 1;
        },
        never,
      ),
    ),
  );
  const ms = performance.now() - startMs;
  assert.ok(ms > 400, `${ms} ms for 786,432 bytes at 1 MB/s`);
  assert.ok(longestMs < SOURCE_STALL_MS, `${longestMs} ms without a byte`);
  assert.ok(parts >= 12, `in ${parts} parts, which are 64 KiB at most`);
  await source.close();
});

test('peer: a disk that takes nothing more slows the sender, and the memory between them stays small', async () => {
  await using bench = await StreamBench.make({ seed: 'slow disk', sizeBytes: 60 * 262_144 });
  let client: Stream | undefined;
  let server: Stream | undefined;
  const { open } = bench.pair;
  const streams = new PieceStreams({
    open: async (peerId, signal) => (client = await open(peerId, signal)),
    pool: bench.plane.pool,
  });
  bench.pair.serve = (stream, peerId) => bench.server.handle((server = stream), peerId);
  const opener = new StreamSourceOpener(
    { peerId: bench.pair.serverId, availability: everything },
    { streams, plane: bench.plane },
  );
  const source = await opener.open(bench.blob.target(bench.dir), never);
  // As if so many chunks lay before a disk that hangs.
  const stuck = 48;
  for (let n = 0; n < stuck; n += 1) bench.plane.pool.handedOver();
  let received = 0;
  const fetches = bench.blob.pieces().map((piece) => source.fetch(piece, (bytes) => (received += bytes), never));
  await delay(400);
  assert.equal(received, 0);
  assert.ok(client !== undefined && client.readBufferLength <= 2 * 1024 * 1024, `${client?.readBufferLength} bytes`);
  assert.ok(server !== undefined && server.writeBufferLength <= 300_000, `${server?.writeBufferLength} bytes`);
  bench.plane.pool.lost(stuck);
  await Promise.all(fetches);
  await source.close();
  assert.equal(bench.plane.pool.underWay, 0);
});

test('peer: one that asks and does not read holds a little of our memory and not its whole request', async () => {
  await using bench = await StreamBench.make({ seed: 'slow reader', sizeBytes: 40 * 262_144 });
  let served: Stream | undefined;
  bench.pair.serve = (stream, peerId) => {
    served = stream;
    return bench.server.handle(stream, peerId);
  };
  const stream = await bench.pair.open(bench.pair.serverId, never);
  stream.pause();
  const { sha256 } = bench.blob;
  for (let index = 0; index < 40; index += 1) stream.send(encodeRequest({ kind: 'get', id: index + 1, sha256, index }));
  await delay(500);
  assert.ok(served !== undefined && served.writeBufferLength <= 300_000, `${served?.writeBufferLength} bytes`);
  assert.ok(stream.readBufferLength < 4 * 1024 * 1024);
  stream.abort(new Error('enough'));
});

test('peer: more requests than an honest client has, or none that make sense, end the stream', async () => {
  await using bench = await StreamBench.make({ seed: 'greedy' });
  const { sha256 } = bench.blob;
  const get = (id: number): Uint8Array => encodeRequest({ kind: 'get', id, sha256, index: 0 });
  for (const bytes of [Buffer.concat(Array.from({ length: 100 }, (_, id) => get(id))), new Uint8Array(48).fill(9)]) {
    const stream = await bench.pair.open(bench.pair.serverId, never);
    stream.pause();
    stream.send(bytes);
    await eventually('the stream is reset', () => stream.status === 'reset');
  }
  const streams = await Promise.all(Array.from({ length: 8 }, () => bench.pair.open(bench.pair.serverId, never)));
  await eventually(
    'the fifth stream and more are refused',
    () => streams.filter(({ status }) => status === 'reset').length === 4,
  );
  for (const stream of streams) stream.abort(new Error('enough'));
  await eventually('nothing is left of them', () => bench.server.uploads().length === 0);
});

test('peer: a peer that cannot be reached is gone', async () => {
  await using bench = await StreamBench.make({ seed: 'unreachable' });
  await bench.pair.server.stop();
  await assert.rejects(bench.open(), (error) => codeOf(error) === 'source-gone');
});

test('peer: a piece that is cancelled when its last byte is already under way is answered no more', async () => {
  await using bench = await StreamBench.make({ seed: 'late cancel' });
  const { blob, plane, pair } = bench;
  const lateEnd = Promise.withResolvers<undefined>();
  const slowToEnd = {
    read(...args: Parameters<DataPlane['read']>) {
      const reading = plane.read(...args);
      return {
        cancel: () => reading.cancel(),
        async next(signal: AbortSignal) {
          const slice = await reading.next(signal);
          if (slice === undefined) await lateEnd.promise;
          signal.throwIfAborted();
          return slice;
        },
      };
    },
  };
  const parts = { locate: () => bench.served, onChanged: () => undefined, limiter: bench.limiter, log: silentLog };
  await using server = new PieceServer({
    ...parts,
    plane: slowToEnd as unknown as DataPlane,
    ledger: new UploadLedger({ metrics: new Metrics() }),
  });
  pair.serve = (stream, peerId) => server.handle(stream, peerId);
  const stream = await pair.open(pair.serverId, never);
  const answers = new RecordReader(ANSWER_BYTES);
  const heard: string[] = [];
  let dataLeft = 0;
  let received = 0;
  stream.addEventListener('message', ({ data }) => {
    for (let rest = data.subarray(); rest.length > 0; ) {
      if (dataLeft > 0) {
        const taken = Math.min(dataLeft, rest.length);
        dataLeft -= taken;
        received += taken;
        rest = rest.subarray(taken);
        continue;
      }
      const { taken, record } = answers.read(rest);
      rest = rest.subarray(taken);
      if (record === undefined) continue;
      const answer = decodeAnswer(record);
      heard.push(`${answer.kind} ${answer.id}`);
      dataLeft = answer.bytes;
    }
  });
  const { index, length } = blob.piece(0);
  for (const id of [1, 2]) stream.send(encodeRequest({ kind: 'get', id, sha256: blob.sha256, index }));
  await eventually('the first piece is here', () => received === length);
  stream.send(encodeRequest({ kind: 'cancel', id: 1 }));
  await delay(50);
  lateEnd.resolve(undefined);
  await eventually('the second piece is here', () => received === 2 * length);
  assert.deepEqual(
    heard.filter((answer) => !answer.startsWith('data')),
    [],
  );
  await stream.close();
});
