import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Bitfield } from '../../src/content/bitfield.ts';
import { ShoalError } from '../../src/util/errors.ts';

const isInvalid = (error: unknown): boolean => error instanceof ShoalError && error.code === 'invalid';

test('a bitfield does what a set of indices does', () => {
  const step = fc.record({ kind: fc.constantFrom('add', 'remove', 'has', 'reload', 'clone'), at: fc.nat() });
  fc.assert(
    fc.property(fc.nat(70), fc.array(step, { maxLength: 200 }), (length, steps) => {
      let field = new Bitfield(length);
      const model = new Set<number>();
      for (const { kind, at } of steps) {
        const index = length === 0 ? 0 : at % length;
        if (kind === 'reload') field = Bitfield.fromBytes(field.toBytes(), length);
        else if (kind === 'clone') field = field.clone();
        else if (length === 0) assert.throws(() => field.add(index), RangeError);
        else if (kind === 'add') {
          assert.equal(field.add(index), !model.has(index));
          model.add(index);
        } else if (kind === 'remove') assert.equal(field.remove(index), model.delete(index));
        else assert.equal(field.has(index), model.has(index));
        assert.equal(field.count, model.size);
        assert.equal(field.complete, model.size === length);
      }
      const all = Array.from({ length }, (_, index) => index);
      assert.deepEqual(
        [...field.indices()],
        all.filter((index) => model.has(index)),
      );
      assert.deepEqual(
        [...field.missing()],
        all.filter((index) => !model.has(index)),
      );
    }),
  );
});

test('the first piece is the most significant bit', () => {
  const field = new Bitfield(10);
  field.add(0);
  field.add(9);
  assert.deepEqual([...field.toBytes()], [0x80, 0x40]);
  assert.deepEqual([...Bitfield.full(10).toBytes()], [0xff, 0xc0]);
});

test('a full bitfield has every piece and nothing past them', () => {
  for (let length = 0; length <= 33; length += 1) {
    const full = Bitfield.full(length);
    assert.equal(full.complete, true);
    assert.equal(Bitfield.fromBytes(full.toBytes(), length).count, length);
    assert.equal(full.has(length), false);
  }
});

test('every run of bytes is the bitfield of one length and padding, or refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 12 }), fc.integer({ min: -3, max: 100 }), (bytes, length) => {
      try {
        const field = Bitfield.fromBytes(bytes, length);
        assert.deepEqual(field.toBytes(), bytes);
        assert.equal(field.count, [...field.indices()].length);
      } catch (error) {
        assert.ok(isInvalid(error), String(error));
      }
    }),
  );
});

test('wrong lengths and claims past the end are refused before anything is allocated', () => {
  assert.throws(() => Bitfield.fromBytes(new Uint8Array(2), 2 ** 40), isInvalid);
  assert.throws(() => Bitfield.fromBytes(new Uint8Array(0), -1), isInvalid);
  assert.throws(() => Bitfield.fromBytes(new Uint8Array(0), Number.NaN), isInvalid);
  assert.throws(() => Bitfield.fromBytes(Uint8Array.of(0b0000_0001), 7), isInvalid);
  assert.throws(() => new Bitfield(-1), RangeError);
});

test('an index outside the blob is there for nobody', () => {
  const field = Bitfield.full(8);
  for (const index of [-1, 8, 2 ** 33]) {
    assert.equal(field.has(index), false);
    assert.throws(() => field.add(index), RangeError);
    assert.throws(() => field.remove(index), RangeError);
  }
});

test('what is handed out and taken in are copies', () => {
  const bytes = Uint8Array.of(0x80);
  const field = Bitfield.fromBytes(bytes, 8);
  bytes[0] = 0xff;
  field.toBytes()[0] = 0xff;
  field.clone().add(7);
  assert.deepEqual([...field.indices()], [0]);
});
