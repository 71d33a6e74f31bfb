import assert from 'node:assert/strict';
import { appendFile, readdir, rename, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Bitfield } from '../../src/content/bitfield.ts';
import { loadBlake3 } from '../../src/content/blake3.ts';
import { stampOf } from '../../src/store/file-stamp.ts';
import { DataPlane } from '../../src/transfer/data-plane.ts';
import type { FileReading } from '../../src/transfer/file-reading.ts';
import { codeOf } from '../../src/util/errors.ts';
import { silentLog } from '../../src/util/log.ts';
import { delay } from '../support/wait.ts';
import { TestBlob, TestFolder } from './support/blob.ts';

const never = new AbortController().signal;

function makePlane(workers = 1): DataPlane {
  return new DataPlane({ workers }, { log: silentLog });
}

async function rejectsWith(promise: Promise<unknown>, code: string): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.equal(codeOf(error), code, String(error));
    return true;
  });
}

async function slicesOf(reading: FileReading): Promise<Uint8Array> {
  const slices: Uint8Array[] = [];
  for (let slice = await reading.next(never); slice !== undefined; slice = await reading.next(never))
    slices.push(slice);
  return Buffer.concat(slices);
}

test('pieces that arrive in chunks of any size are verified, written and logged', async () => {
  await using folder = await TestFolder.make();
  await using plane = makePlane(2);
  const blob = await TestBlob.make({ seed: 'chunks' });
  const dir = await folder.folder('partial');
  const open = plane.openBlob(blob.target(dir));
  await Promise.all(
    blob.pieces().map(async (piece, n) => {
      const incoming = open.receive(piece, never);
      const bytes = blob.bytesOf(piece);
      const step = [1000, 70_000, 300_000, 17][n] ?? 1;
      for (let at = 0; at < bytes.length; at += step) incoming.write(bytes.subarray(at, at + step));
      assert.deepEqual(await incoming.ended, { written: true });
    }),
  );
  await open.close();
  for (const piece of blob.pieces()) assert.deepEqual(await blob.written(dir, piece), Buffer.from(blob.bytesOf(piece)));
  assert.deepEqual((await blob.have(dir)).toSorted(), [0, 1, 2, 3]);
  assert.equal(plane.pool.underWay, 0);
});

test('a piece that does not match its hash, or has another length, is refused and not logged', async () => {
  await using folder = await TestFolder.make();
  await using plane = makePlane();
  const blob = await TestBlob.make({ seed: 'corrupt' });
  const dir = await folder.folder('partial');
  const open = plane.openBlob(blob.target(dir));
  const piece = blob.piece(1);
  const flipped = blob.bytesOf(piece);
  flipped[77] = (flipped[77] ?? 0) ^ 1;
  const corrupt = open.receive(piece, never);
  corrupt.write(flipped);
  await rejectsWith(corrupt.ended, 'piece-corrupt');
  const long = open.receive(piece, never);
  assert.throws(() => long.write(new Uint8Array(piece.length + 1)), /more bytes than the piece has/);
  long.cancel();
  await assert.rejects(long.ended);
  assert.deepEqual(await blob.have(dir), []);
  const good = open.receive(piece, never);
  good.write(blob.bytesOf(piece));
  await good.ended;
  assert.deepEqual(await blob.have(dir), [1]);
  await open.close();
  assert.equal(plane.pool.underWay, 0);
});

test('a piece of 16 MiB passes through a few small buffers', async () => {
  await using folder = await TestFolder.make();
  await using plane = makePlane();
  const blob = await TestBlob.make({ seed: 'large', sizeBytes: 16 * 1024 * 1024 });
  const dir = await folder.folder('partial');
  const open = plane.openBlob(blob.target(dir));
  const hash = (await loadBlake3()).hash(blob.bytes);
  const piece = { index: 0, offset: 0, length: blob.bytes.length, hash };
  const incoming = open.receive(piece, never);
  for (let at = 0; at < piece.length; at += 65_519) {
    incoming.write(blob.bytes.subarray(at, at + 65_519));
    while (plane.pool.underWay > 4) await new Promise((resolve) => setImmediate(resolve));
  }
  await incoming.ended;
  assert.deepEqual(await blob.written(dir, piece), Buffer.from(blob.bytes));
  await open.close();
});

test('two copies of a piece under way at once never spoil each other', async () => {
  await using folder = await TestFolder.make();
  await using plane = makePlane(2);
  const blob = await TestBlob.make({ seed: 'twice', sizeBytes: 600_000 });
  const dir = await folder.folder('partial');
  const open = plane.openBlob(blob.target(dir));
  const piece = blob.piece(0);
  const good = blob.bytesOf(piece);
  const bad = new Uint8Array(piece.length).fill(7);
  const half = piece.length / 2;
  // The liar comes first and so writes in place; the honest one lands in scratch and takes over.
  const liar = open.receive(piece, never);
  liar.write(bad.subarray(0, half));
  const honest = open.receive(piece, never);
  honest.write(good);
  assert.deepEqual(await honest.ended, { written: true });
  liar.write(bad.subarray(half));
  await rejectsWith(liar.ended, 'piece-corrupt');
  assert.deepEqual(await blob.written(dir, piece), Buffer.from(good));
  // One more liar, after the piece is here.
  const late = open.receive(piece, never);
  late.write(bad);
  await rejectsWith(late.ended, 'piece-corrupt');
  // And an honest latecomer.
  const again = open.receive(piece, never);
  again.write(good);
  assert.deepEqual(await again.ended, { written: false });
  assert.deepEqual(await blob.written(dir, piece), Buffer.from(good));
  assert.deepEqual(await blob.have(dir), [0]);
  await open.close();
  assert.deepEqual((await readdir(dir)).toSorted(), [`${blob.sha256}.have`, `${blob.sha256}.part`]);
});

test('a cancelled piece frees its place at once, and nothing of it is written afterwards', async () => {
  await using folder = await TestFolder.make();
  await using plane = makePlane();
  const blob = await TestBlob.make({ seed: 'cancel' });
  const dir = await folder.folder('partial');
  const open = plane.openBlob(blob.target(dir));
  const piece = blob.piece(2);
  const controller = new AbortController();
  const given = open.receive(piece, controller.signal);
  given.write(new Uint8Array(100_000));
  controller.abort();
  await assert.rejects(given.ended, { name: 'AbortError' });
  given.cancel();
  given.write(new Uint8Array(100_000));
  const next = open.receive(piece, never);
  next.write(blob.bytesOf(piece));
  assert.deepEqual(await next.ended, { written: true });
  assert.deepEqual(await blob.written(dir, piece), Buffer.from(blob.bytesOf(piece)));
  await open.close();
  assert.equal(plane.pool.underWay, 0);
});

test('a served file is read in slices, and not at all once it differs from its stamp', async () => {
  await using folder = await TestFolder.make();
  await using plane = makePlane();
  const blob = await TestBlob.make({ seed: 'serve', sizeBytes: 3_000_000 });
  const path = join(folder.path, 'model.bin');
  await writeFile(path, blob.bytes);
  const stamp = stampOf(await stat(path, { bigint: true }));
  const whole = { offset: 0, length: blob.bytes.length };
  assert.deepEqual(await slicesOf(plane.read({ path, stamp }, whole)), Buffer.from(blob.bytes));
  const part = { offset: 1_000_001, length: 700_000 };
  assert.deepEqual(
    await slicesOf(plane.read({ path, stamp }, part)),
    Buffer.from(blob.bytes.subarray(part.offset, part.offset + part.length)),
  );

  // Edited in the middle of a read: what was already read is good, the rest never comes.
  const reading = plane.read({ path, stamp }, whole);
  assert.deepEqual(await reading.next(never), blob.bytes.slice(0, 262_144));
  await writeFile(path, new Uint8Array(blob.bytes.length).fill(1));
  const before = new Date(Number(stamp.mtimeNs / 1_000_000n));
  await utimes(path, before, before);
  await rejectsWith(slicesOf(reading), 'changed');
  await rejectsWith(slicesOf(plane.read({ path, stamp }, whole)), 'changed');

  const now = stampOf(await stat(path, { bigint: true }));
  assert.equal((await slicesOf(plane.read({ path, stamp: now }, whole)))[5], 1);
  await writeFile(`${path}.new`, blob.bytes);
  await rename(`${path}.new`, path);
  await rejectsWith(slicesOf(plane.read({ path, stamp: now }, whole)), 'changed');
  const replaced = stampOf(await stat(path, { bigint: true }));
  assert.deepEqual(await slicesOf(plane.read({ path, stamp: replaced }, whole)), Buffer.from(blob.bytes));
  await rejectsWith(slicesOf(plane.read({ path: `${path}.gone`, stamp: replaced }, whole)), 'changed');
});

test('a partial is served while it grows; past its end is an error, not an endless wait', async () => {
  await using folder = await TestFolder.make();
  await using plane = makePlane();
  const path = join(folder.path, 'x.part');
  await writeFile(path, 'abc');
  const file = { path, stamp: undefined };
  assert.equal(Buffer.from(await slicesOf(plane.read(file, { offset: 0, length: 3 }))).toString(), 'abc');
  await appendFile(path, 'def');
  assert.equal(Buffer.from(await slicesOf(plane.read(file, { offset: 2, length: 4 }))).toString(), 'cdef');
  await rejectsWith(slicesOf(plane.read(file, { offset: 4, length: 4 })), 'changed');
});

test('a reader that asks for nothing more holds a few slices and not the file', async () => {
  await using folder = await TestFolder.make();
  await using plane = makePlane();
  const blob = await TestBlob.make({ seed: 'slow reader', sizeBytes: 8_000_000 });
  const path = join(folder.path, 'model.bin');
  await writeFile(path, blob.bytes);
  const reading = plane.read({ path, stamp: undefined }, { offset: 0, length: blob.bytes.length });
  await reading.next(never);
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.ok(reading.bufferedBytes <= 4 * 262_144, `${reading.bufferedBytes} bytes read ahead`);
  reading.cancel();
});

test('a recheck finds what is really there, and the sha256 of the whole is that of the file', async () => {
  await using folder = await TestFolder.make();
  await using plane = makePlane();
  const blob = await TestBlob.make({ seed: 'recheck' });
  const dir = await folder.folder('partial');
  const open = plane.openBlob(blob.target(dir));
  for (const piece of blob.pieces()) {
    const incoming = open.receive(piece, never);
    incoming.write(blob.bytesOf(piece));
    await incoming.ended;
  }
  await open.close();
  const path = join(dir, `${blob.sha256}.part`);
  const whole = plane.hashPrefix({ path, sizeBytes: blob.bytes.length, have: Bitfield.full(blob.pieceCount) });
  assert.equal(await whole.digest(never), blob.sha256);
  const damaged = Buffer.from(blob.bytes);
  damaged[300_000] = (damaged[300_000] ?? 0) ^ 0xff;
  await writeFile(path, damaged);
  assert.deepEqual([...(await plane.recheck(blob.target(dir), never)).indices()], [0, 2, 3]);
});

test('of a partial that is new nothing is read, and no thread is started for it', async () => {
  await using folder = await TestFolder.make();
  const plane = makePlane();
  const blob = await TestBlob.make({ seed: 'new' });
  const dir = await folder.folder('partial');
  const threads = async (): Promise<number> => (await readdir('/proc/self/task')).length;
  const before = await threads();
  const found = async (): Promise<number[]> => [...(await plane.recheck(blob.target(dir), never)).indices()];
  assert.deepEqual(await found(), []);
  await writeFile(join(dir, `${blob.sha256}.have`), '');
  assert.deepEqual(await found(), []);
  assert.equal(await threads(), before);
  // Not of one whose pieces are only gone.
  await writeFile(join(dir, `${blob.sha256}.part`), new Uint8Array(blob.bytes.length));
  await writeFile(join(dir, `${blob.sha256}.have`), new Uint8Array(4));
  assert.deepEqual(await found(), []);
  assert.ok((await threads()) > before);
  await plane[Symbol.asyncDispose]();
});

test('the sha256 of a file that is still arriving follows its pieces, in whatever order they come', async () => {
  await using folder = await TestFolder.make();
  await using plane = makePlane();
  const blob = await TestBlob.make({ seed: 'prefix', sizeBytes: 9 * 256 * 1024 + 7 });
  const dir = await folder.folder('partial');
  const open = plane.openBlob(blob.target(dir));
  const path = join(dir, `${blob.sha256}.part`);
  using whole = plane.hashPrefix({ path, sizeBytes: blob.bytes.length, have: new Bitfield(blob.pieceCount) });
  let isDone = false;
  const digest = whole.digest(never).finally(() => (isDone = true));
  for (const index of [3, 0, 9, 1, 2, 8, 7, 6, 4, 5]) {
    assert.equal(isDone, false);
    const incoming = open.receive(blob.piece(index), never);
    incoming.write(blob.bytesOf(blob.piece(index)));
    await incoming.ended;
    whole.add(index);
    await delay(5);
  }
  assert.equal(await digest, blob.sha256);
  await open.close();
});

test('a sha256 that is given up ends, and so does one of a file that is not there', async () => {
  await using plane = makePlane();
  const file = { path: '/nowhere/x.part', sizeBytes: 300_000, have: new Bitfield(2) };
  const controller = new AbortController();
  const given = plane.hashPrefix(file);
  const digest = given.digest(controller.signal);
  controller.abort();
  await assert.rejects(digest, { name: 'AbortError' });
  await assert.rejects(plane.hashPrefix({ ...file, have: Bitfield.full(2) }).digest(never), /ENOENT/);
});

test('work for a closed plane is refused', async () => {
  const plane = makePlane();
  await plane[Symbol.asyncDispose]();
  const file = { path: '/etc/hostname', sizeBytes: 1, have: new Bitfield(1) };
  const whole = plane.hashPrefix(file);
  whole.add(0);
  await assert.rejects(whole.digest(never), /closed/);
  assert.equal(plane.hung, false);
});
