import assert from 'node:assert/strict';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { loadBlake3 } from '../../src/content/blake3.ts';
import { openPartial, type PartialFile, partialPath, readHave } from '../../src/store/partial-file.ts';
import { GATHER_BYTES } from '../../src/transfer/worker/gathering.ts';
import { PieceSink } from '../../src/transfer/worker/piece-sink.ts';
import type { TaskContext } from '../../src/transfer/worker/task.ts';
import { WriteBehind } from '../../src/transfer/worker/write-behind.ts';
import { GateTable, type WriteGate } from '../../src/transfer/write-gate.ts';
import { codeOf } from '../../src/util/errors.ts';
import { randomBytesOf } from '../support/random-body.ts';
import { TestFolder } from './support/blob.ts';

const PIECE_BYTES = 4 * GATHER_BYTES;
const blake3 = await loadBlake3();
const context = { signal: new AbortController().signal } as TaskContext;

/** One piece that is written to a partial of its own, so quickly that some of it goes behind the writer's back. */
class QuickPiece implements AsyncDisposable {
  readonly bytes = Buffer.from(randomBytesOf('write-behind', PIECE_BYTES));
  readonly gate: WriteGate;
  readonly sink: PieceSink;
  readonly file: PartialFile;
  readonly folder: TestFolder;
  #buffer: Uint8Array = new Uint8Array(GATHER_BYTES);

  private constructor(folder: TestFolder, change: (file: PartialFile) => PartialFile) {
    this.folder = folder;
    this.file = openPartial(folder.path, 'blob', PIECE_BYTES);
    const gates = new GateTable();
    this.gate = gates.open();
    const hash = Buffer.from(blake3.hash(this.bytes)).toString('hex');
    const piece = { index: 0, offset: 0, length: PIECE_BYTES, hash };
    const parts = { file: change(this.file), dir: folder.path, gates, blake3, behind: new WriteBehind(() => 0) };
    this.sink = new PieceSink({ blob: 1, piece, landing: 'in-place', gate: this.gate.key }, parts);
  }

  static async make(change: (file: PartialFile) => PartialFile = (file) => file): Promise<QuickPiece> {
    return new QuickPiece(await TestFolder.make(), change);
  }

  /** Returns whether the step is still being written. */
  step(index: number): boolean {
    this.#buffer.set(this.bytes.subarray(index * GATHER_BYTES, (index + 1) * GATHER_BYTES));
    const next = this.sink.writeStep(this.#buffer, GATHER_BYTES);
    const isBehind = next !== this.#buffer;
    this.#buffer = next;
    return isBehind;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.file.close();
    await this.folder[Symbol.asyncDispose]();
  }
}

test('of quick steps one at a time is written behind the back of the writer, and the piece ends when all are there', async () => {
  await using piece = await QuickPiece.make();
  const behind = [0, 1, 2, 3].map((index) => piece.step(index));
  assert.deepEqual(behind, [false, true, false, false]);
  assert.deepEqual(await piece.sink.finish(context), { written: true });
  const { path } = piece.folder;
  assert.deepEqual(await readFile(partialPath(path, 'blob')), piece.bytes);
  assert.equal(readHave(path, 'blob', 1).count, 1);
});

test('a disk that is full for such a step fails the piece, which is not said to be here', async () => {
  const full = openSync('/dev/full', 'w');
  await using piece = await QuickPiece.make((file) => ({ ...file, fd: full }));
  assert.deepEqual(
    [0, 1, 2, 3].map((index) => piece.step(index)),
    [false, true, false, false],
  );
  await assert.rejects(piece.sink.finish(context), (error) => codeOf(error) === 'disk-full');
  assert.equal(readHave(piece.folder.path, 'blob', 1).count, 0);
  closeSync(full);
});

test('a gate that closes waits for such a step, and the rest of the piece is not written', async () => {
  await using piece = await QuickPiece.make();
  assert.deepEqual([piece.step(0), piece.step(1)], [false, true]);
  const closing = piece.gate.close();
  piece.step(2);
  await closing;
  piece.step(3);
  assert.deepEqual(await piece.sink.finish(context), { written: false });
  const there = await readFile(partialPath(piece.folder.path, 'blob'));
  const half = 2 * GATHER_BYTES;
  assert.deepEqual(there.subarray(0, half), piece.bytes.subarray(0, half));
  assert.ok(there.subarray(half).every((byte) => byte === 0));
});
