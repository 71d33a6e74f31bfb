import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  ANSWER_BYTES,
  decodeAnswer,
  decodeRequest,
  encodeAnswer,
  encodeRequest,
  MAX_DATA_BYTES,
  REQUEST_BYTES,
  RecordReader,
  type Refusal,
} from '../../src/transfer/piece-wire.ts';
import { codeOf } from '../../src/util/errors.ts';

const u32 = fc.nat({ max: 0xffff_ffff });
const sha256 = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString('hex'));
const plain = { noNullPrototype: true };
const requests = fc.oneof(
  fc.record({ kind: fc.constant('get' as const), id: u32, sha256, index: u32 }, plain),
  fc.record({ kind: fc.constant('cancel' as const), id: u32 }, plain),
);
const refusals = fc.constantFrom<Refusal>('not-held', 'changed', 'busy', 'cancelled');
const answers = fc.oneof(
  fc.record({ kind: fc.constant('data' as const), id: u32, bytes: fc.integer({ min: 1, max: MAX_DATA_BYTES }) }, plain),
  fc.record({ kind: refusals, id: u32, bytes: fc.constant(0) }, plain),
);

test('every request and answer reads as it was written', () => {
  fc.assert(fc.property(requests, (request) => assert.deepEqual(decodeRequest(encodeRequest(request)), request)));
  fc.assert(fc.property(answers, (answer) => assert.deepEqual(decodeAnswer(encodeAnswer(answer)), answer)));
});

test('any other bytes are refused as a lie, or read as what they would be written for', () => {
  const check = (size: number, decode: (bytes: Uint8Array) => Uint8Array): void => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: size, maxLength: size }), fc.nat({ max: 6 }), (bytes, kind) => {
        bytes[0] = kind;
        if (kind % 2 === 0) bytes.fill(0, 1, 4);
        try {
          assert.deepEqual(Buffer.from(decode(bytes)), Buffer.from(bytes));
        } catch (error) {
          if ((error as Error).name === 'AssertionError') throw error;
          assert.equal(codeOf(error), 'source-lied');
        }
      }),
    );
  };
  check(REQUEST_BYTES, (bytes) => encodeRequest(decodeRequest(bytes)));
  check(ANSWER_BYTES, (bytes) => encodeAnswer(decodeAnswer(bytes)));
});

test('records come out whole, however the stream was cut', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.array(fc.integer({ min: 1, max: 40 })), (bytes, cuts) => {
      const reader = new RecordReader(ANSWER_BYTES);
      const records: Buffer[] = [];
      for (let at = 0, n = 0; at < bytes.length; n += 1) {
        let part = bytes.subarray(at, at + (cuts[n] ?? 7));
        at += part.length;
        while (part.length > 0) {
          const { taken, record } = reader.read(part);
          part = part.subarray(taken);
          if (record !== undefined) records.push(Buffer.from(record));
        }
      }
      const whole = Math.floor(bytes.length / ANSWER_BYTES) * ANSWER_BYTES;
      assert.deepEqual(Buffer.concat(records), Buffer.from(bytes.subarray(0, whole)));
    }),
  );
});
