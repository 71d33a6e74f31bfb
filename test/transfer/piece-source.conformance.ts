import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DataPlane } from '../../src/transfer/data-plane.ts';
import type { PieceSource } from '../../src/transfer/piece-source.ts';
import { codeOf, type ErrorCode } from '../../src/util/errors.ts';
import { silentLog } from '../../src/util/log.ts';
import { delay } from '../support/wait.ts';
import { TestBlob, TestFolder } from './support/blob.ts';

/** What can be wrong with a place that pieces come from. */
export type Fault = 'corrupt' | 'short' | 'long' | 'stall' | 'gone';

export interface SourceHarness extends AsyncDisposable {
  open(): Promise<PieceSource>;
  /** From now on the place misbehaves. */
  fault(fault: Fault): Promise<void>;
  heal(): Promise<void>;
}

export interface SourceKind {
  readonly name: string;
  /** The codes that a fault may show as; all but a stall must show. */
  readonly codes: Readonly<Record<Exclude<Fault, 'stall'>, readonly ErrorCode[]>>;
  make(parts: { plane: DataPlane; blob: TestBlob; folder: TestFolder; dir: string }): Promise<SourceHarness>;
}

class Bench implements AsyncDisposable {
  readonly plane: DataPlane;
  readonly blob: TestBlob;
  readonly dir: string;
  readonly harness: SourceHarness;
  readonly #stack: AsyncDisposableStack;

  private constructor(parts: Pick<Bench, 'plane' | 'blob' | 'dir' | 'harness'>, stack: AsyncDisposableStack) {
    this.plane = parts.plane;
    this.blob = parts.blob;
    this.dir = parts.dir;
    this.harness = parts.harness;
    this.#stack = stack;
  }

  static async make(kind: SourceKind, options: { seed: string; sizeBytes?: number }): Promise<Bench> {
    const stack = new AsyncDisposableStack();
    const folder = stack.use(await TestFolder.make());
    const plane = stack.use(new DataPlane({ workers: 2 }, { log: silentLog }));
    const blob = await TestBlob.make(options);
    const dir = await folder.folder('partial');
    const harness = stack.use(await kind.make({ plane, blob, folder, dir }));
    return new Bench({ plane, blob, dir, harness }, stack);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

const never = new AbortController().signal;

/** The behaviour that `PieceSource` promises, whatever is behind it. */
export function testPieceSource(kind: SourceKind): void {
  test(`${kind.name}: all pieces arrive side by side, verified and written, the short last one too`, async () => {
    await using bench = await Bench.make(kind, { seed: `${kind.name} all`, sizeBytes: 20 * 256 * 1024 + 1 });
    const { blob, dir } = bench;
    const source = await bench.harness.open();
    await Promise.all(
      blob.pieces().map(async (piece) => {
        let told = 0;
        const { bytes } = await source.fetch(piece, (more) => (told += more), never);
        assert.equal(bytes, piece.length);
        assert.equal(told, piece.length);
      }),
    );
    await source.close();
    for (const piece of blob.pieces())
      assert.deepEqual(await blob.written(dir, piece), Buffer.from(blob.bytesOf(piece)));
    assert.equal(new Set(await blob.have(dir)).size, blob.pieceCount);
    assert.equal(bench.plane.pool.underWay, 0);
  });

  for (const fault of ['corrupt', 'short', 'long', 'gone'] as const) {
    test(`${kind.name}: ${fault} is refused under its name, nothing is counted, and it goes on when healed`, async () => {
      await using bench = await Bench.make(kind, { seed: `${kind.name} ${fault}` });
      const { blob, dir, harness } = bench;
      await harness.fault(fault);
      const source = await harness.open();
      await assert.rejects(
        source.fetch(blob.piece(1), () => undefined, never),
        (error) => {
          assert.ok(kind.codes[fault].includes(codeOf(error)), `${codeOf(error)}: ${String(error)}`);
          return true;
        },
      );
      await source.close();
      assert.deepEqual(await blob.have(dir), []);
      await harness.heal();
      const again = await harness.open();
      await again.fetch(blob.piece(1), () => undefined, never);
      await again.close();
      assert.deepEqual(await blob.written(dir, blob.piece(1)), Buffer.from(blob.bytesOf(blob.piece(1))));
      assert.deepEqual(await blob.have(dir), [1]);
      assert.equal(bench.plane.pool.underWay, 0);
    });
  }

  test(`${kind.name}: a stalled piece is left the moment its signal fires, and everything is free again`, async () => {
    await using bench = await Bench.make(kind, { seed: `${kind.name} stall` });
    const { blob, dir, harness } = bench;
    await harness.fault('stall');
    const source = await harness.open();
    const controller = new AbortController();
    const fetches = [0, 1, 2].map((index) => source.fetch(blob.piece(index), () => undefined, controller.signal));
    const settled = Promise.allSettled(fetches);
    assert.equal(await Promise.race([settled, delay(300)]), undefined);
    const startMs = performance.now();
    controller.abort(new DOMException('stalled', 'AbortError'));
    for (const result of await settled) assert.equal(result.status, 'rejected');
    // Left to itself a line is given up after five seconds.
    assert.ok(performance.now() - startMs < 4_000);
    await source.close();
    assert.deepEqual(await blob.have(dir), []);
    await harness.heal();
    const again = await harness.open();
    for (const piece of blob.pieces()) await again.fetch(piece, () => undefined, never);
    await again.close();
    assert.equal(new Set(await blob.have(dir)).size, blob.pieceCount);
    assert.equal(bench.plane.pool.underWay, 0);
  });

  test(`${kind.name}: a closed source gives back what was in flight as gone`, async () => {
    await using bench = await Bench.make(kind, { seed: `${kind.name} close` });
    const { blob, harness } = bench;
    await harness.fault('stall');
    const source = await harness.open();
    const fetch = source.fetch(blob.piece(0), () => undefined, never);
    fetch.catch(() => undefined);
    await delay(50);
    await source.close();
    await assert.rejects(fetch, (error) => codeOf(error) === 'source-gone');
    await assert.rejects(
      source.fetch(blob.piece(0), () => undefined, never),
      (error) => codeOf(error) === 'source-gone',
    );
    await harness.heal();
  });

  test(`${kind.name}: nothing is asked for when the signal has already fired`, async () => {
    await using bench = await Bench.make(kind, { seed: `${kind.name} aborted` });
    const source = await bench.harness.open();
    await assert.rejects(
      source.fetch(bench.blob.piece(0), () => undefined, AbortSignal.abort()),
      { name: 'AbortError' },
    );
    await source.close();
    assert.deepEqual(await bench.blob.have(bench.dir), []);
  });

  test(`${kind.name}: pieces that are given up at any moment leave no trace and can be fetched again`, async () => {
    await using bench = await Bench.make(kind, { seed: `${kind.name} cancel`, sizeBytes: 8 * 256 * 1024 });
    const { blob, dir } = bench;
    const source = await bench.harness.open();
    for (let round = 0; round < 12; round += 1) {
      const controller = new AbortController();
      const fetches = blob.pieces().map((piece) => source.fetch(piece, () => undefined, controller.signal));
      await delay(round / 3);
      controller.abort();
      await Promise.allSettled(fetches);
    }
    await Promise.all(blob.pieces().map((piece) => source.fetch(piece, () => undefined, never)));
    await source.close();
    for (const piece of blob.pieces())
      assert.deepEqual(await blob.written(dir, piece), Buffer.from(blob.bytesOf(piece)));
    assert.equal(new Set(await blob.have(dir)).size, blob.pieceCount);
    assert.equal(bench.plane.pool.underWay, 0);
  });
}
