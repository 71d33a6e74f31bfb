import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { DataPlane, type OpenBlob } from '../../src/transfer/data-plane.ts';
import type { Piece } from '../../src/transfer/piece-source.ts';
import { codeOf } from '../../src/util/errors.ts';
import { silentLog } from '../../src/util/log.ts';
import { TestBlob, TestFolder } from './support/blob.ts';

const never = new AbortController().signal;
const BLOCKED_MS = 5000;
const pause = new Int32Array(new SharedArrayBuffer(4));

/** One blob that is fetched by one worker, which is running. */
class BlobScene implements AsyncDisposable {
  readonly blob: TestBlob;
  readonly dir: string;
  readonly open: OpenBlob;
  readonly #stack: AsyncDisposableStack;

  private constructor(parts: Pick<BlobScene, 'blob' | 'dir' | 'open'>, stack: AsyncDisposableStack) {
    this.blob = parts.blob;
    this.dir = parts.dir;
    this.open = parts.open;
    this.#stack = stack;
  }

  static async make(seed: string): Promise<BlobScene> {
    const stack = new AsyncDisposableStack();
    const folder = stack.use(await TestFolder.make());
    const plane = stack.use(new DataPlane({ workers: 1 }, { log: silentLog }));
    const blob = await TestBlob.make({ seed });
    const dir = await folder.folder('partial');
    const open = plane.openBlob(blob.target(dir));
    const scene = new BlobScene({ blob, dir, open }, stack);
    const first = open.receive(blob.piece(0), never);
    first.write(blob.bytesOf(blob.piece(0)));
    await first.ended;
    return scene;
  }

  /** Keeps the main thread from whatever the workers tell it until the have log names the piece. */
  blockUntilLogged({ index }: Piece): void {
    const endMs = performance.now() + BLOCKED_MS;
    while (!this.#logged().includes(index)) {
      assert.ok(performance.now() < endMs, `piece ${index} does not get into the have log`);
      Atomics.wait(pause, 0, 0, 1);
    }
  }

  async assertRight(piece: Piece): Promise<void> {
    const written = Buffer.from(await this.blob.written(this.dir, piece));
    assert.ok(written.equals(this.blob.bytesOf(piece)), 'a piece in the have log was written again');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.open.close();
    await this.#stack.disposeAsync();
  }

  #logged(): number[] {
    const log = readFileSync(join(this.dir, `${this.blob.sha256}.have`));
    return Array.from({ length: Math.floor(log.length / 4) }, (_, at) => log.readUInt32LE(at * 4));
  }
}

for (const when of ['at once', 'when it has ended'] as const) {
  test(`a piece that was given up when it was just written is not written again by who brings it ${when}`, async () => {
    await using scene = await BlobScene.make(`given up ${when}`);
    const { blob, open } = scene;
    const piece = blob.piece(1);
    const controller = new AbortController();
    const given = open.receive(piece, controller.signal);
    given.write(blob.bytesOf(piece));
    await posted();
    scene.blockUntilLogged(piece);
    // What the worker says of it is still on its way.
    controller.abort();
    const rejected = assert.rejects(given.ended, { name: 'AbortError' });
    if (when === 'when it has ended') await rejected;
    const liar = open.receive(piece, never);
    liar.write(new Uint8Array(piece.length).fill(7));
    await assert.rejects(liar.ended, (error) => codeOf(error) === 'piece-corrupt');
    await rejected;
    await scene.assertRight(piece);
    const honest = open.receive(piece, never);
    honest.write(blob.bytesOf(piece));
    assert.deepEqual(await honest.ended, { written: false });
    assert.deepEqual(await blob.have(scene.dir), [0, 1]);
  });
}

test('of two copies that are complete in the same moment one is written', async () => {
  await using scene = await BlobScene.make('same moment');
  const { blob, open } = scene;
  const piece = blob.piece(2);
  const bytes = blob.bytesOf(piece);
  const inPlace = open.receive(piece, never);
  const inScratch = open.receive(piece, never);
  // The one in scratch is told of first, before it is known that the other is in place.
  inScratch.write(bytes);
  inPlace.write(bytes);
  await posted();
  scene.blockUntilLogged(piece);
  assert.deepEqual(await Promise.all([inPlace.ended, inScratch.ended]), [{ written: true }, { written: false }]);
  assert.deepEqual(await blob.have(scene.dir), [0, 2]);
  await scene.assertRight(piece);
});

/** What the main thread has to say to its workers is on its way. */
function posted(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
