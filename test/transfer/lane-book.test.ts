import assert from 'node:assert/strict';
import { stat, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { stampOf } from '../../src/store/file-stamp.ts';
import { RateLimiter } from '../../src/transfer/bandwidth.ts';
import { DataPlane } from '../../src/transfer/data-plane.ts';
import { LaneBook } from '../../src/transfer/lane/lane-book.ts';
import { LaneServer } from '../../src/transfer/lane/lane-server.ts';
import { PeerSourceOpener } from '../../src/transfer/lane/lane-source.ts';
import { PieceServer } from '../../src/transfer/piece-server.ts';
import { everything } from '../../src/transfer/piece-source.ts';
import { PieceStreams } from '../../src/transfer/piece-streams.ts';
import type { ServedBlob } from '../../src/transfer/serving.ts';
import { StreamSourceOpener } from '../../src/transfer/stream-source.ts';
import { UploadLedger } from '../../src/transfer/upload-ledger.ts';
import { systemClock } from '../../src/util/clock.ts';
import type { HostPort } from '../../src/util/host-port.ts';
import { silentLog } from '../../src/util/log.ts';
import { Metrics } from '../../src/util/metrics.ts';
import { TestBlob, TestFolder } from './support/blob.ts';
import { makeLaneIdentity } from './support/lane-end.ts';
import { SwarmPair } from './support/swarm-pair.ts';

const never = new AbortController().signal;

/** A peer that serves over a libp2p stream, and says that its lane is wherever the test puts it. */
class BookBench implements AsyncDisposable {
  readonly blob: TestBlob;
  readonly book: LaneBook;
  readonly pair: SwarmPair;
  readonly ledger: UploadLedger;
  addresses: HostPort[] = [];
  readonly warnings: string[] = [];
  readonly #open: () => PeerSourceOpener;
  readonly #dir: string;
  readonly #plane: DataPlane;
  readonly #stack: AsyncDisposableStack;

  private constructor(
    parts: { blob: TestBlob; dir: string; plane: DataPlane; pair: SwarmPair; served: ServedBlob },
    stack: AsyncDisposableStack,
  ) {
    const { blob, dir, plane, pair, served } = parts;
    this.blob = blob;
    this.pair = pair;
    this.#dir = dir;
    this.#plane = plane;
    this.#stack = stack;
    this.ledger = new UploadLedger({ metrics: new Metrics() });
    const log = Object.assign(Object.create(silentLog) as typeof silentLog, {
      warn: (_fields: object, message: string) => this.warnings.push(message),
    });
    const limiter = new RateLimiter({ bytesPerSecond: Infinity }, { clock: systemClock });
    const serving = { plane, limiter, ledger: this.ledger, log, locate: () => served, onChanged: () => undefined };
    const server = stack.use(new PieceServer(serving));
    pair.serve = (stream, peerId) => server.handle(stream, peerId);
    plane.answerWith(() => Promise.reject(new Error('nobody is asked for')));
    const addressesOf = (): HostPort[] => this.addresses;
    this.book = new LaneBook({ plane, addressesOf, nameOf: () => 'giver', clock: systemClock, log });
    const streams = stack.use(new PieceStreams({ open: pair.open, pool: plane.pool }));
    const options = { peerId: pair.serverId, availability: everything };
    this.#open = () =>
      new PeerSourceOpener(options, {
        lanes: this.book,
        plane,
        stream: new StreamSourceOpener(options, { streams, plane }),
      });
  }

  static async make(seed: string): Promise<BookBench> {
    const stack = new AsyncDisposableStack();
    const folder = stack.use(await TestFolder.make());
    const { credentials } = await makeLaneIdentity();
    const plane = stack.use(new DataPlane({ workers: 1, lane: credentials }, { log: silentLog }));
    const blob = await TestBlob.make({ seed });
    const path = join(folder.path, 'served.bin');
    await writeFile(path, blob.bytes);
    const served: ServedBlob = { kind: 'file', path, stamp: stampOf(await stat(path, { bigint: true })) };
    const dir = await folder.folder('partial');
    return new BookBench({ blob, dir, plane, pair: stack.use(await SwarmPair.start()), served }, stack);
  }

  async fetchAll(): Promise<void> {
    const source = await this.#open().open(this.blob.target(this.#dir), never);
    await Promise.all(this.blob.pieces().map((piece) => source.fetch(piece, () => undefined, never)));
    await source.close();
  }

  /** Whoever answers at the address counts as the peer. */
  acceptEveryone(): void {
    this.#plane.answerWith(() => Promise.resolve({ peerId: this.pair.serverId }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

async function listening(server: Server): Promise<HostPort> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
}

test('lane book: where nobody listens, pieces go over the stream, and it is said once', async () => {
  await using bench = await BookBench.make('refused');
  const server = createServer();
  bench.addresses = [await listening(server)];
  await new Promise((resolve) => server.close(resolve));
  await bench.fetchAll();
  await bench.fetchAll();
  assert.ok(bench.pair.streamsServed >= 1);
  assert.match(bench.book.problemOf(bench.pair.serverId) ?? '', /ECONNREFUSED/);
  assert.equal(bench.book.isUsed(bench.pair.serverId), false);
  assert.deepEqual(bench.warnings, ['the lane to a peer cannot be reached, pieces go over libp2p']);
});

test('lane book: a port that takes connections and says nothing costs three seconds once, and no piece', async (t) => {
  await using bench = await BookBench.make('mute');
  let taken = 0;
  const server = createServer((socket) => {
    taken += 1;
    socket.on('error', () => undefined);
  });
  t.after(() => server.close());
  bench.addresses = [await listening(server)];
  const startMs = performance.now();
  await bench.fetchAll();
  const firstMs = performance.now() - startMs;
  // Not until opening the source is given up, which takes ten.
  assert.ok(firstMs < 8_000, `${firstMs} ms`);
  await bench.fetchAll();
  assert.equal(taken, 1);
});

test('lane book: a peer without a lane is not looked for', async () => {
  await using bench = await BookBench.make('none');
  await bench.fetchAll();
  assert.equal(bench.book.problemOf(bench.pair.serverId), undefined);
  assert.deepEqual(bench.warnings, []);
});

test('lane book: a lane that opens is used, and no stream', async () => {
  await using bench = await BookBench.make('open');
  await using folder = await TestFolder.make();
  const path = join(folder.path, 'served.bin');
  await writeFile(path, bench.blob.bytes);
  const served: ServedBlob = { kind: 'file', path, stamp: stampOf(await stat(path, { bigint: true })) };
  const { credentials } = await makeLaneIdentity();
  await using plane = new DataPlane({ workers: 1, lane: credentials }, { log: silentLog });
  const limiter = new RateLimiter({ bytesPerSecond: Infinity }, { clock: systemClock });
  const parts = { plane, limiter, ledger: bench.ledger, log: silentLog, locate: () => served };
  await using server = await LaneServer.start(
    { address: { host: '127.0.0.1', port: 0 } },
    { ...parts, onChanged: () => undefined, isMember: () => true },
  );
  bench.addresses = [server.address];
  bench.acceptEveryone();
  await bench.fetchAll();
  assert.equal(bench.pair.streamsServed, 0);
  assert.equal(bench.book.isUsed(bench.pair.serverId), true);
});
