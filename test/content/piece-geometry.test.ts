import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { geometryOf, LARGEST_BLOB, pieceLength, pieceOffset } from '../../src/content/piece-geometry.ts';
import { ShoalError } from '../../src/util/errors.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;

test('the piece size is the largest that still gives 1,024 pieces', () => {
  const expected: readonly (readonly [sizeBytes: number, pieceSizeBytes: number, pieceCount: number])[] = [
    [0, 256 * KiB, 0],
    [1, 256 * KiB, 1],
    [256 * KiB, 256 * KiB, 1],
    [256 * KiB + 1, 256 * KiB, 2],
    [256 * MiB, 256 * KiB, 1024],
    // 1,023 whole pieces of 512 KiB and a byte are 1,024 pieces.
    [1023 * 512 * KiB, 256 * KiB, 2046],
    [1023 * 512 * KiB + 1, 512 * KiB, 1024],
    [4 * GiB, 4 * MiB, 1024],
    [16 * GiB, 16 * MiB, 1024],
    [100 * GiB, 16 * MiB, 6400],
    [LARGEST_BLOB, 16 * MiB, 2 ** 26],
  ];
  for (const [sizeBytes, pieceSizeBytes, pieceCount] of expected) {
    assert.deepEqual(geometryOf(sizeBytes), { sizeBytes, pieceSizeBytes, pieceCount });
  }
});

test('pieces cover the blob without gap or overlap', () => {
  fc.assert(
    fc.property(fc.oneof(fc.maxSafeNat(), fc.nat()), fc.nat(), (size, pick) => {
      const geometry = geometryOf(size % (LARGEST_BLOB + 1));
      const { sizeBytes, pieceSizeBytes, pieceCount } = geometry;
      assert.equal(Math.log2(pieceSizeBytes) % 1, 0);
      assert.ok(pieceSizeBytes >= 256 * KiB && pieceSizeBytes <= 16 * MiB);
      if (pieceCount === 0) {
        assert.equal(sizeBytes, 0);
        return;
      }
      const index = pick % pieceCount;
      const end = pieceOffset(geometry, index) + pieceLength(geometry, index);
      assert.ok(pieceLength(geometry, index) > 0);
      assert.equal(end, index === pieceCount - 1 ? sizeBytes : pieceOffset(geometry, index + 1));
      const larger = Math.ceil(sizeBytes / (2 * pieceSizeBytes));
      assert.ok(pieceSizeBytes === 16 * MiB || larger < 1024, 'a larger piece size would do');
      assert.ok(pieceSizeBytes === 256 * KiB || pieceCount >= 1024);
    }),
  );
});

test('a size that no blob can have is refused', () => {
  for (const size of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, LARGEST_BLOB + 1]) {
    assert.throws(
      () => geometryOf(size),
      (error) => error instanceof ShoalError && error.code === 'invalid',
    );
  }
});
