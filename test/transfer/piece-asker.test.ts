import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PieceAsker, type PieceReceiver } from '../../src/transfer/piece-asker.ts';
import { encodeAnswer } from '../../src/transfer/piece-wire.ts';
import { ShoalError } from '../../src/util/errors.ts';
import { delay } from '../support/wait.ts';

const QUIET_MS = 60;
const receiver: PieceReceiver = { write: () => undefined, refused: () => undefined, lost: () => undefined };

test("a piece that was taken back counts as given up from the peer's last word on", async () => {
  const asker = new PieceAsker({ send: () => undefined, onEnd: () => undefined });
  const piece = { sha256: 'ab'.repeat(32), index: 0, length: 2_000 };
  const request = asker.request(piece, receiver);
  await delay(QUIET_MS);
  assert.equal(asker.givenUpMs, 0);
  request.cancel();
  await delay(QUIET_MS);
  assert.ok(asker.givenUpMs >= QUIET_MS - 5, `${asker.givenUpMs}`);
  asker.take(encodeAnswer({ kind: 'data', id: 1, bytes: 2_000 }));
  asker.take(new Uint8Array(1_000));
  assert.ok(asker.givenUpMs < QUIET_MS / 2, `${asker.givenUpMs}`);
  asker.take(new Uint8Array(1_000));
  await delay(QUIET_MS);
  assert.equal(asker.givenUpMs, 0, 'nothing is asked for any more');
  asker.end(new ShoalError('source-gone', 'over'));
});

test('bytes may be put into their place only while a piece that somebody waits for comes', () => {
  const asker = new PieceAsker({ send: () => undefined, onEnd: () => undefined });
  const buffer = new Uint8Array(64);
  const request = asker.request(
    { sha256: 'a'.repeat(64), index: 0, length: 100 },
    { ...receiver, place: (length) => buffer.subarray(0, length) },
  );
  assert.equal(asker.place(), undefined, 'a record comes first');
  asker.take(encodeAnswer({ kind: 'data', id: 1, bytes: 40 }));
  assert.equal(asker.place()?.length, 40, 'no more than belongs to the record');
  asker.take(new Uint8Array(30));
  assert.equal(asker.place()?.length, 10);
  request.cancel();
  assert.equal(asker.place(), undefined, 'nobody waits for it any more');
});
