import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { Gathering } from '../../src/transfer/worker/gathering.ts';
import type { PieceSink } from '../../src/transfer/worker/piece-sink.ts';
import { seededRandom } from '../../src/util/random.ts';

/** Keeps what is written to it. */
class Sink {
  readonly steps: Buffer[] = [];

  /** Each second buffer is kept as if it were still being written, and another is given for it. */
  writeStep(buffer: Uint8Array, length: number): Uint8Array {
    this.steps.push(Buffer.from(buffer.subarray(0, length)));
    return this.steps.length % 2 === 0 ? buffer : new Uint8Array(buffer.length);
  }

  get lengths(): number[] {
    return this.steps.map(({ length }) => length);
  }
}

test('a piece is written in steps of the buffer, whether its bytes were put in place or come from elsewhere', () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const random = seededRandom(seed);
    const below = (limit: number): number => Math.floor(random() * limit);
    const piece = randomBytes(below(400));
    const sink = new Sink();
    const space = { buffer: new Uint8Array(64) };
    const gathering = new Gathering(sink as unknown as PieceSink, { length: piece.length, space });
    let isComplete = piece.length === 0;
    for (let at = 0; at < piece.length; ) {
      const part = piece.subarray(at, at + 1 + below(100));
      if (below(2) === 0) {
        const place = gathering.place(part.length);
        const placed = part.copy(place);
        isComplete = gathering.take(place.subarray(0, placed));
        at += placed;
      } else {
        isComplete = gathering.take(part);
        at += part.length;
      }
      assert.equal(isComplete, at === piece.length, `seed ${seed}`);
    }
    assert.deepEqual(Buffer.concat(sink.steps), piece, `seed ${seed}`);
    const whole = Math.floor(piece.length / 64);
    const rest = piece.length % 64;
    assert.deepEqual(sink.lengths, [...Array<number>(whole).fill(64), ...(rest > 0 ? [rest] : [])], `seed ${seed}`);
  }
});
