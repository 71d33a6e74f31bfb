import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import type { UploadTurn } from '../../src/transfer/data-orders.ts';
import { ANSWER_BYTES, decodeAnswer, encodeRequest } from '../../src/transfer/piece-wire.ts';
import { Doze } from '../../src/transfer/worker/doze.ts';
import { FdCache } from '../../src/transfer/worker/fd-cache.ts';
import { LaneUpload } from '../../src/transfer/worker/lane/lane-upload.ts';
import { SLICE_BYTES, type Slice, SlicePool } from '../../src/transfer/worker/lane/slice-pool.ts';
import type { Questions } from '../../src/transfer/worker/questions.ts';
import { randomBytesOf } from '../support/random-body.ts';
import { eventually } from '../support/wait.ts';
import { TestFolder } from './support/blob.ts';

const never = new AbortController().signal;
const SHA = 'ab'.repeat(32);
const QUICKLY = { everyMs: 1, timeoutMs: 5000 };

test('a slice that came back is lent again, and none is lent twice at a time', () => {
  const pool = new SlicePool();
  const [one, other] = [pool.take(), pool.take()];
  assert.notEqual(one, other);
  pool.giveBack(one);
  assert.equal(pool.take(), one);
  assert.notEqual(pool.take(), one, 'it is lent');
});

test('of many slices that were lent at a time, eight are kept', () => {
  const pool = new SlicePool();
  const lent = Array.from({ length: 20 }, () => pool.take());
  assert.equal(new Set(lent).size, 20);
  for (const slice of lent) pool.giveBack(slice);
  const again = Array.from({ length: 20 }, () => pool.take());
  assert.equal(again.filter((slice) => lent.includes(slice)).length, 8);
  assert.equal(new Set(again).size, 20);
});

test('an answer is its record and right behind it the bytes, of whatever length, and nothing of an earlier one', () => {
  const slice = new SlicePool().take();
  for (const [id, length] of [SLICE_BYTES, 1, 64 * 1024, SLICE_BYTES, 1000].entries()) {
    const bytes = Buffer.from(randomBytesOf(`slice ${id}`, length));
    const place = slice.data(length);
    assert.equal(place.length, length);
    place.set(bytes);
    const answer = Buffer.from(slice.answer(id, length));
    assert.deepEqual(decodeAnswer(answer.subarray(0, ANSWER_BYTES)), { kind: 'data', id, bytes: length });
    assert.ok(answer.subarray(ANSWER_BYTES).equals(bytes), `${length} bytes`);
  }
});

/** Knows which of its slices are lent. */
class WatchedPool extends SlicePool {
  readonly lent = new Set<Slice>();
  readonly made = new Set<Slice>();

  override take(): Slice {
    const slice = super.take();
    assert.ok(!this.lent.has(slice), 'a slice is lent twice');
    this.lent.add(slice);
    this.made.add(slice);
    return slice;
  }

  override giveBack(slice: Slice): void {
    assert.ok(this.lent.delete(slice), 'a slice came back twice');
    super.giveBack(slice);
  }
}

/** The giving end of a lane whose kernel takes bytes only when the test says so, as a view and not a copy. */
class SlowLane extends Duplex {
  readonly sent: Buffer[] = [];
  #held: { readonly bytes: Uint8Array; readonly done: (error?: Error | null) => void } | undefined;

  get holds(): boolean {
    return this.#held !== undefined;
  }

  /** What was written first is with the kernel now. */
  takeOne(): void {
    const held = this.#held;
    this.#held = undefined;
    if (held === undefined) return;
    this.sent.push(Buffer.from(held.bytes));
    held.done();
  }

  override _read(): void {
    // What comes is pushed by the test.
  }

  override _write(bytes: Uint8Array, _encoding: string, done: (error?: Error | null) => void): void {
    this.#held = { bytes, done };
  }

  /** As a socket does, it says of each write that it will not happen any more. */
  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#held?.done(error ?? new Error('closed'));
    this.#held = undefined;
    done(error);
  }
}

const PIECE = Buffer.from(randomBytesOf('upload', 5 * SLICE_BYTES + 1000));

/** One piece of a file on its way to a peer. */
class UploadScene implements AsyncDisposable {
  readonly pool = new WatchedPool();
  readonly socket = new SlowLane();
  readonly ended: Promise<void>;
  readonly #folder: TestFolder;

  private constructor(folder: TestFolder, path: string) {
    this.#folder = folder;
    const file = { path, stamp: undefined };
    const turn: UploadTurn = { turn: 1, file, offset: 0, length: PIECE.length, limited: false };
    const parts = {
      questions: { ask: () => Promise.resolve(turn) } as unknown as Questions,
      files: new FdCache(),
      slices: this.pool,
      doze: new Doze({ beforehand: () => undefined }),
      tell: () => undefined,
    };
    const upload = new LaneUpload({ socket: this.socket as unknown as Socket, peerId: 'peer' }, parts);
    this.ended = upload.run(never);
    this.ended.catch(() => undefined);
    this.socket.push(encodeRequest({ kind: 'get', id: 7, sha256: SHA, index: 0 }));
  }

  /** @param options.fileBytes how much of the piece the file really has */
  static async make(options: { readonly fileBytes?: number } = {}): Promise<UploadScene> {
    const folder = await TestFolder.make();
    const path = join(folder.path, 'served');
    await writeFile(path, PIECE.subarray(0, options.fileBytes));
    return new UploadScene(folder, path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy();
    await this.#folder[Symbol.asyncDispose]();
  }
}

test('a slice comes back when the socket has taken its bytes and not before, and two are enough for a whole piece', async () => {
  await using scene = await UploadScene.make();
  const { socket, pool } = scene;
  await eventually('two slices wait for the socket', () => socket.writableLength > 2 * SLICE_BYTES, QUICKLY);
  const arrived = Buffer.alloc(PIECE.length);
  let at = 0;
  for (let sent = 0; sent < 6; sent += 1) {
    await eventually('a write', () => socket.holds, QUICKLY);
    assert.equal(pool.lent.size, Math.min(2, 6 - sent), `before write ${sent}`);
    socket.takeOne();
    at += socket.sent[sent]?.copy(arrived, at, ANSWER_BYTES) ?? 0;
    await settled();
  }
  assert.ok(arrived.equals(PIECE), 'bytes of a slice that was lent again too early');
  assert.equal(pool.lent.size, 0);
  assert.equal(pool.made.size, 2);
});

test('the slices of a lane that breaks come back', async () => {
  await using scene = await UploadScene.make();
  await eventually('two slices wait for the socket', () => scene.pool.lent.size === 2, QUICKLY);
  scene.socket.destroy(new Error('reset'));
  await assert.rejects(scene.ended);
  await settled();
  assert.equal(scene.pool.lent.size, 0);
});

test('the slice of bytes that cannot be read comes back, and nothing of it is sent', async () => {
  await using scene = await UploadScene.make({ fileBytes: SLICE_BYTES });
  const { socket, pool } = scene;
  for (let sent = 0; sent < 2; sent += 1) {
    await eventually('a write', () => socket.holds, QUICKLY);
    socket.takeOne();
    await settled();
  }
  assert.deepEqual(
    socket.sent.map((bytes) => decodeAnswer(bytes.subarray(0, ANSWER_BYTES))),
    [
      { kind: 'data', id: 7, bytes: SLICE_BYTES },
      { kind: 'changed', id: 7, bytes: 0 },
    ],
  );
  assert.equal(pool.lent.size, 0);
});

/** All reactions have run. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
