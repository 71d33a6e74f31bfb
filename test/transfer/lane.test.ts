import assert from 'node:assert/strict';
import { stat, utimes, writeFile } from 'node:fs/promises';
import { connect as connectRaw, type Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { stampOf } from '../../src/store/file-stamp.ts';
import { RateLimiter } from '../../src/transfer/bandwidth.ts';
import { DataPlane } from '../../src/transfer/data-plane.ts';
import { LaneServer } from '../../src/transfer/lane/lane-server.ts';
import { openLaneSource } from '../../src/transfer/lane/lane-source.ts';
import { LaneTickets } from '../../src/transfer/lane/lane-tickets.ts';
import { type Availability, everything, type PieceSource } from '../../src/transfer/piece-source.ts';
import { encodeRequest } from '../../src/transfer/piece-wire.ts';
import type { ServedBlob } from '../../src/transfer/serving.ts';
import { SOURCE_STALL_MS } from '../../src/transfer/source-session.ts';
import { UploadLedger } from '../../src/transfer/upload-ledger.ts';
import { LANE_CIPHER, LANE_PROTOCOL } from '../../src/transfer/worker/lane/lane-tls.ts';
import { plainHello } from '../../src/transfer/worker/lane/plain-lane.ts';
import { systemClock } from '../../src/util/clock.ts';
import { codeOf, messageOf } from '../../src/util/errors.ts';
import { silentLog } from '../../src/util/log.ts';
import { Metrics } from '../../src/util/metrics.ts';
import { delay, eventually } from '../support/wait.ts';
import { testPieceSource } from './piece-source.conformance.ts';
import { TestBlob, TestFolder } from './support/blob.ts';
import { cheat, type Trick } from './support/hostile-server.ts';
import { asCheatLine, type LaneIdentity, listenForLanes, makeLaneIdentity } from './support/lane-end.ts';

const never = new AbortController().signal;

interface LaneBenchOptions {
  readonly workers?: number;
  /** Lanes without encryption, where both ends say so. */
  readonly plain?: boolean;
}

/** Asks the giver without a network between. */
class DirectTickets extends LaneTickets {
  readonly #bench: LaneBench;
  readonly #peerId: string;

  constructor(bench: LaneBench, peerId: string) {
    super({ openStream: () => Promise.reject(new Error('not here')), clock: systemClock });
    this.#bench = bench;
    this.#peerId = peerId;
  }

  override ask(): Promise<Uint8Array> {
    return Promise.resolve(this.#bench.tickets.issue(this.#peerId));
  }

  override redeem(ticket: Uint8Array): string {
    return this.#bench.tickets.redeem(ticket);
  }
}

/** One end of a lane, with workers of its own. */
class LaneNode implements AsyncDisposable {
  readonly identity: LaneIdentity;
  readonly plane: DataPlane;
  readonly server: LaneServer;
  readonly ledger: UploadLedger;

  private constructor(parts: Pick<LaneNode, 'identity' | 'plane' | 'server' | 'ledger'>) {
    this.identity = parts.identity;
    this.plane = parts.plane;
    this.server = parts.server;
    this.ledger = parts.ledger;
  }

  static async start(bench: LaneBench, options: LaneBenchOptions): Promise<LaneNode> {
    const { workers = 1, plain = false } = options;
    const identity = await makeLaneIdentity();
    const plane = new DataPlane({ workers, lane: { ...identity.credentials, plain } }, { log: silentLog });
    const ledger = new UploadLedger({ metrics: new Metrics() });
    const server = await LaneServer.start(
      { address: { host: '127.0.0.1', port: 0 } },
      {
        plane,
        ledger,
        limiter: bench.limiter,
        log: silentLog,
        locate: (sha256) => (sha256 === bench.blob.sha256 ? bench.served : undefined),
        onChanged: ({ path }) => bench.changed.push(path),
        isMember: (peerId) => bench.members.has(peerId),
        ...(plain ? { tickets: new DirectTickets(bench, identity.peerId) } : {}),
      },
    );
    bench.members.add(identity.peerId);
    return new LaneNode({ identity, plane, server, ledger });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    await this.plane[Symbol.asyncDispose]();
  }
}

/** A served blob, an honest node that serves it and a cheating one, and a node that fetches. */
class LaneBench implements AsyncDisposable {
  readonly blob: TestBlob;
  readonly dir: string;
  readonly members = new Set<string>();
  readonly changed: string[] = [];
  readonly limiter = new RateLimiter({ bytesPerSecond: Infinity }, { clock: systemClock });
  readonly tickets = new LaneTickets({ openStream: () => Promise.reject(new Error('not here')), clock: systemClock });
  served: ServedBlob | undefined;
  trick: Trick | undefined;
  giver!: LaneNode;
  taker!: LaneNode;
  #cheatPort = 0;
  readonly #cheated: Socket[] = [];
  readonly #stack: AsyncDisposableStack;

  private constructor(parts: { blob: TestBlob; dir: string }, stack: AsyncDisposableStack) {
    this.blob = parts.blob;
    this.dir = parts.dir;
    this.#stack = stack;
  }

  static async make(options: { seed: string; sizeBytes?: number } & LaneBenchOptions): Promise<LaneBench> {
    const stack = new AsyncDisposableStack();
    const folder = stack.use(await TestFolder.make());
    const blob = await TestBlob.make(options);
    const dir = await folder.folder('partial');
    return await LaneBench.around({ blob, folder, dir }, options, stack);
  }

  static async around(
    parts: { blob: TestBlob; folder: TestFolder; dir: string },
    options: LaneBenchOptions,
    stack = new AsyncDisposableStack(),
  ): Promise<LaneBench> {
    const { blob, folder, dir } = parts;
    const bench = new LaneBench({ blob, dir }, stack);
    const path = join(folder.path, 'served.bin');
    await writeFile(path, blob.bytes);
    bench.served = { kind: 'file', path, stamp: stampOf(await stat(path, { bigint: true })) };
    bench.giver = stack.use(await LaneNode.start(bench, options));
    bench.taker = stack.use(await LaneNode.start(bench, options));
    const { port, server } = await listenForLanes(bench.giver.identity, { plain: options.plain === true }, (socket) => {
      bench.#cheated.push(socket);
      if (bench.trick !== undefined) cheat(asCheatLine(socket), blob, bench.trick);
    });
    bench.#cheatPort = port;
    stack.defer(() => {
      for (const socket of bench.#cheated) socket.destroy();
      server.close();
    });
    return bench;
  }

  /** So many have been opened to the one that cheats. */
  get cheatedLanes(): number {
    return this.#cheated.length;
  }

  /** The honest node's lane, or that of one with the same identity that cheats. */
  get port(): number {
    return this.trick === undefined ? this.giver.server.address.port : this.#cheatPort;
  }

  open(options: { availability?: Availability; port?: number; peerId?: string } = {}): PieceSource {
    const { availability = everything, port = this.port, peerId = this.giver.identity.peerId } = options;
    const peer = { peerId, addresses: [{ host: '127.0.0.1', port }] };
    const blob = this.blob.target(this.dir);
    return openLaneSource({ peer, blob, availability }, { plane: this.taker.plane });
  }

  async fetchAll(source: PieceSource): Promise<void> {
    await Promise.all(this.blob.pieces().map((piece) => source.fetch(piece, () => undefined, never)));
  }

  /** A TLS client of the giver's lane, with a certificate or none. */
  dial(identity?: LaneIdentity, protocol = LANE_PROTOCOL): TLSSocket {
    const { port } = this.giver.server.address;
    const options = { host: '127.0.0.1', port, ...LANE_CIPHER, ALPNProtocols: [protocol], rejectUnauthorized: false };
    const socket = connect({ ...options, ...identity?.credentials });
    socket.on('error', () => undefined);
    return socket;
  }

  /** What the giver's lane answers to raw bytes, without the 12 bytes of its record. */
  async speak(bytes: Uint8Array, wanted: number): Promise<Uint8Array> {
    const { port } = this.giver.server.address;
    const socket = connectRaw({ host: '127.0.0.1', port });
    socket.on('error', () => undefined);
    socket.write(bytes);
    const parts: Buffer[] = [];
    let received = 0;
    for await (const part of socket as AsyncIterable<Buffer>) {
      parts.push(part);
      received += part.length;
      if (received >= wanted + 12) break;
    }
    return Uint8Array.from(Buffer.concat(parts).subarray(12));
  }

  heal(): void {
    this.trick = undefined;
    for (const socket of this.#cheated.splice(0)) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

const KINDS = [
  { name: 'lane', options: { workers: 1 } },
  { name: 'lane with two workers', options: { workers: 2 } },
  { name: 'lane without encryption', options: { workers: 1, plain: true } },
];
for (const { name, options } of KINDS) {
  testPieceSource({
    name,
    codes: {
      corrupt: ['piece-corrupt'],
      short: ['source-gone'],
      long: ['source-lied'],
      gone: ['source-gone'],
    },
    async make(parts) {
      const bench = await LaneBench.around(parts, options);
      const tricks = { corrupt: 'corrupt', short: 'short', long: 'long', stall: 'half', gone: 'resets' } as const;
      return {
        open: () => Promise.resolve(bench.open()),
        fault: (fault) => {
          bench.trick = tricks[fault];
          return Promise.resolve();
        },
        heal: async () => {
          bench.heal();
          await delay(50);
        },
        [Symbol.asyncDispose]: () => bench[Symbol.asyncDispose](),
      };
    },
  });
}

for (const trick of ['short-next', 'wrong-id', 'garbage', 'long'] as const) {
  test(`lane: a server that sends ${trick} is called a liar once, and the others on its lane are not blamed`, async () => {
    await using bench = await LaneBench.make({ seed: trick });
    bench.trick = trick;
    const source = bench.open();
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
  });
}

test('lane: a piece that is taken back costs no lane while the peer can still say so', async () => {
  await using bench = await LaneBench.make({ seed: 'late' });
  bench.trick = 'late';
  const source = bench.open();
  await source.fetch(bench.blob.piece(0), () => undefined, never);
  const moved = new AbortController();
  const fetching = source.fetch(bench.blob.piece(1), () => undefined, moved.signal);
  await delay(20);
  moved.abort();
  await assert.rejects(fetching);
  await source.fetch(bench.blob.piece(2), () => undefined, never);
  assert.equal(bench.cheatedLanes, 1);
  await source.close();
});

test('lane: what is sent is counted for the peer, and every upload slot is free afterwards', async () => {
  await using bench = await LaneBench.make({ seed: 'count' });
  const source = bench.open();
  await bench.fetchAll(source);
  await source.close();
  const { ledger } = bench.giver;
  await eventually(
    'all of it is counted',
    () => ledger.sentTo(bench.taker.identity.peerId) === bench.blob.bytes.length,
  );
  await eventually('no slot is taken', () => ledger.slots.taken === 0);
  assert.equal(bench.giver.server.lanesOf(bench.taker.identity.peerId), 1);
});

test('lane: a file that was edited, also with its mtime put back, is refused and told of', async () => {
  await using bench = await LaneBench.make({ seed: 'edit' });
  assert.ok(bench.served?.kind === 'file');
  const { path } = bench.served;
  const { atime, mtime } = await stat(path);
  const bytes = Uint8Array.from(bench.blob.bytes);
  bytes[5] = (bytes[5] ?? 0) ^ 1;
  await writeFile(path, bytes);
  await utimes(path, atime, mtime);
  const source = bench.open();
  await assert.rejects(
    source.fetch(bench.blob.piece(0), () => undefined, never),
    (error) => codeOf(error) === 'source-gone',
  );
  await source.close();
  assert.deepEqual([...new Set(bench.changed)], [path]);
  assert.equal(bench.giver.ledger.sentTo(bench.taker.identity.peerId), 0);
});

test('lane: a partial that is installed under its final name while it is asked for is served all the same', async () => {
  await using bench = await LaneBench.make({ seed: 'installed' });
  const { served, blob } = bench;
  assert.ok(served?.kind === 'file');
  bench.served = { kind: 'partial', path: `${served.path}.gone`, sizeBytes: blob.bytes.length, have: new Set([2]) };
  const source = bench.open();
  const fetch = source.fetch(blob.piece(2), () => undefined, never);
  await delay(0);
  bench.served = served;
  await fetch;
  await source.close();
  assert.deepEqual(bench.changed, []);
});

test('lane: a piece that is claimed and refused makes a liar of who still claims it', async () => {
  await using bench = await LaneBench.make({ seed: 'claims' });
  bench.served = undefined;
  const claims = new Set([0, 1]);
  const availability: Availability = {
    complete: false,
    has: (index) => claims.has(index),
    onChange: () => () => undefined,
  };
  const source = bench.open({ availability });
  const settled = Promise.allSettled(
    [0, 1].map((index) => source.fetch(bench.blob.piece(index), () => undefined, never)),
  );
  claims.delete(1);
  const codes = (await settled).map((result) => (result.status === 'rejected' ? codeOf(result.reason) : 'ok'));
  assert.deepEqual(codes, ['source-lied', 'source-gone']);
  await source.close();
});

test('lane: an upload limit holds, and the bytes come steadily', async () => {
  await using bench = await LaneBench.make({ seed: 'limit', sizeBytes: 4 * 256 * 1024 });
  bench.limiter.setRate(1024 * 1024);
  const source = bench.open();
  const startMs = performance.now();
  let longestMs = 0;
  let lastMs = startMs;
  const onBytes = (): void => {
    longestMs = Math.max(longestMs, performance.now() - lastMs);
    lastMs = performance.now();
  };
  await Promise.all(bench.blob.pieces().map((piece) => source.fetch(piece, onBytes, never)));
  assert.ok(performance.now() - startMs > 500, 'faster than the limit');
  assert.ok(longestMs < SOURCE_STALL_MS, `silent for ${longestMs} ms`);
  await source.close();
});

test('lane: somebody else who answers at the address is not taken for the peer', async () => {
  await using bench = await LaneBench.make({ seed: 'else' });
  const source = bench.open({ peerId: bench.taker.identity.peerId });
  await assert.rejects(
    source.fetch(bench.blob.piece(0), () => undefined, never),
    (error) => codeOf(error) === 'unauthorized',
  );
  await source.close();
});

test('lane: who is not of the fleet is let in neither with a certificate of its own nor without one', async () => {
  await using bench = await LaneBench.make({ seed: 'strangers' });
  const stranger = await makeLaneIdentity();
  const foreign = { ...stranger, credentials: (await makeLaneIdentity()).credentials };
  for (const socket of [bench.dial(stranger), bench.dial(foreign), bench.dial(), bench.dial(stranger, 'http/1.1')]) {
    socket.on('secureConnect', () =>
      socket.write(encodeRequest({ kind: 'get', id: 1, sha256: bench.blob.sha256, index: 0 })),
    );
    let received = 0;
    socket.on('data', (bytes: Uint8Array) => (received += bytes.length));
    await closed(socket);
    assert.equal(received, 0);
  }
  const source = bench.open();
  await bench.fetchAll(source);
  await source.close();
});

test('lane: a member that has left the fleet is served nothing more', async () => {
  await using bench = await LaneBench.make({ seed: 'left' });
  const source = bench.open();
  await source.fetch(bench.blob.piece(0), () => undefined, never);
  bench.members.delete(bench.taker.identity.peerId);
  await assert.rejects(source.fetch(bench.blob.piece(1), () => undefined, never));
  await source.close();
});

test('lane: garbage, giant lengths and more requests than may be end the lane of who sends them and no other', async () => {
  await using bench = await LaneBench.make({ seed: 'garbage' });
  const member = await makeLaneIdentity();
  bench.members.add(member.peerId);
  const request = encodeRequest({ kind: 'get', id: 1, sha256: bench.blob.sha256, index: 0xffffffff });
  const many = Buffer.concat(Array.from({ length: 5000 }, () => request));
  for (const bytes of [Buffer.alloc(4096, 0xff), Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(9)), many]) {
    const socket = bench.dial(member);
    socket.resume();
    socket.on('secureConnect', () => socket.write(bytes));
    await closed(socket);
  }
  const source = bench.open();
  await bench.fetchAll(source);
  await source.close();
});

test('lane: one that asks and does not read holds a little of our memory, and others are served meanwhile', async () => {
  await using bench = await LaneBench.make({ seed: 'deaf', sizeBytes: 20 * 256 * 1024 });
  const member = await makeLaneIdentity();
  bench.members.add(member.peerId);
  const socket = bench.dial(member);
  socket.pause();
  socket.on('secureConnect', () => {
    for (let index = 0; index < 20; index += 1) {
      socket.write(encodeRequest({ kind: 'get', id: index, sha256: bench.blob.sha256, index }));
    }
  });
  await eventually('it is let in', () => bench.giver.server.lanesOf(member.peerId) === 1);
  const source = bench.open();
  await bench.fetchAll(source);
  await source.close();
  await eventually('its slots are few', () => bench.giver.ledger.slots.taken <= 2);
  socket.destroy();
  await eventually('its slots are free', () => bench.giver.ledger.slots.taken === 0);
});

test('lane: a thousand half-open connections are turned away at the door, and a member still gets in', async () => {
  await using bench = await LaneBench.make({ seed: 'half-open' });
  const { port } = bench.giver.server.address;
  const open = new Set<Socket>();
  for (let n = 0; n < 1000; n += 1) {
    const socket = connectRaw({ host: '127.0.0.1', port }).resume();
    open.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => open.delete(socket));
    // More at once would wait in the system's queue, which forgets some without a word.
    if (n % 50 === 49) await delay(20);
  }
  await eventually('few are left', () => open.size <= 16, { timeoutMs: 8_000 });
  // What is left has five seconds for its handshake; then the door is free again.
  await eventually('none is left', () => open.size === 0, { timeoutMs: 10_000 });
  const source = bench.open();
  await bench.fetchAll(source);
  await source.close();
});

test('lane: without encryption a ticket opens it, once, and nothing else does', async () => {
  await using bench = await LaneBench.make({ seed: 'ticket', plain: true });
  const member = bench.taker.identity.peerId;
  const request = encodeRequest({ kind: 'get', id: 1, sha256: bench.blob.sha256, index: 0 });
  const ticket = bench.tickets.issue(member);
  assert.deepEqual(
    await bench.speak(Buffer.concat([plainHello(ticket), request]), 256 * 1024),
    bench.blob.bytes.subarray(0, 256 * 1024),
  );
  const stranger = bench.tickets.issue('12D3KooWNobody');
  for (const hello of [
    plainHello(ticket),
    plainHello(Buffer.alloc(32)),
    plainHello(stranger),
    Buffer.from('SHLX'.padEnd(36)),
  ]) {
    assert.equal((await bench.speak(Buffer.concat([hello, request]), 1)).length, 0);
  }
  // The encrypted way in stays open beside it.
  const source = bench.open();
  await bench.fetchAll(source);
  await source.close();
});

test('lane: a node that wants encryption gets it from one that would do without', async () => {
  await using plain = await LaneBench.make({ seed: 'mixed', plain: true });
  const encrypted = await makeLaneIdentity();
  plain.members.add(encrypted.peerId);
  const socket = plain.dial(encrypted);
  socket.on('secureConnect', () =>
    socket.write(encodeRequest({ kind: 'get', id: 1, sha256: plain.blob.sha256, index: 0 })),
  );
  let received = 0;
  socket.on('data', (bytes: Uint8Array) => (received += bytes.length));
  await eventually('the piece comes', () => received > 256 * 1024);
  socket.destroy();
});

test('lane: a port that is taken, or an address of another machine, is a clear error', async () => {
  await using bench = await LaneBench.make({ seed: 'port' });
  const { identity } = bench.giver;
  for (const workers of [1, 2]) {
    await using plane = new DataPlane({ workers, lane: identity.credentials }, { log: silentLog });
    const parts = { plane, ledger: bench.giver.ledger, limiter: bench.limiter, log: silentLog };
    const serving = { locate: () => undefined, onChanged: () => undefined, isMember: () => true };
    for (const [address, problem] of [
      [bench.giver.server.address, /^the lane cannot listen on 127.0.0.1:\d+: the port is taken \(EADDRINUSE\)$/],
      [{ host: '192.0.2.1', port: 0 }, /this machine has no such address \(EADDRNOTAVAIL\)$/],
      [{ host: '192.0.2.1', port: 7422 }, /this machine has no such address \(EADDRNOTAVAIL\)$/],
    ] as const) {
      await assert.rejects(
        LaneServer.start({ address }, { ...parts, ...serving }),
        (error) => codeOf(error) === 'conflict' && problem.test(messageOf(error)),
      );
    }
  }
});

async function closed(socket: TLSSocket): Promise<void> {
  if (socket.closed) return;
  const late = AbortSignal.timeout(8_000);
  await new Promise<void>((resolve, reject) => {
    socket.once('close', () => resolve());
    late.addEventListener('abort', () => reject(new Error('it was not closed')), { once: true });
  });
}
