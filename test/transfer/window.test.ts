import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { IN_FLIGHT_BUDGET_BYTES, MAX_WINDOW, roomOf, windowOf } from '../../src/transfer/window.ts';

const MIB = 2 ** 20;

test('a window holds what the line holds in a round trip and a little time, and one piece more', () => {
  assert.equal(windowOf({ bytesPerSecond: 100 * MIB, roundTripMs: 50 }, MIB), 9);
  // However near: the turns of both ends' event loops are waited for as well.
  assert.equal(windowOf({ bytesPerSecond: 100 * MIB, roundTripMs: 0.5 }, MIB), 4);
  assert.equal(windowOf({ bytesPerSecond: 10 * MIB, roundTripMs: 0.5 }, MIB), 2);
  assert.equal(windowOf({ bytesPerSecond: 1000 * MIB, roundTripMs: 200 }, MIB), MAX_WINDOW);
  assert.equal(windowOf({ bytesPerSecond: 0, roundTripMs: 200 }, MIB), 1);
  assert.equal(windowOf({ bytesPerSecond: undefined, roundTripMs: undefined }, MIB), 1);
});

const inFlights = fc.record({ pieces: fc.nat(20), others: fc.nat(200), elsewhere: fc.nat(300 * MIB) });

test('room never exceeds the window, and beyond the first piece of a source never the budget', () => {
  fc.assert(
    fc.property(
      inFlights,
      fc.integer({ min: 1, max: 16 }),
      fc.integer({ min: 18, max: 24 }),
      (flight, window, bits) => {
        const pieceBytes = 2 ** bits;
        const downloadPieces = flight.pieces + flight.others;
        const totalBytes = downloadPieces * pieceBytes + flight.elsewhere;
        const room = roomOf(window, { pieces: flight.pieces, downloadPieces, totalBytes }, pieceBytes);
        assert.ok(room >= 0 && room <= Math.max(0, window - flight.pieces));
        const after = totalBytes + room * pieceBytes;
        if (room > 1 || flight.pieces > 0) assert.ok(room === 0 || after <= IN_FLIGHT_BUDGET_BYTES);
        if (room === 1) assert.ok(downloadPieces === 0 || after <= 2 * IN_FLIGHT_BUDGET_BYTES);
        if (downloadPieces === 0) assert.ok(room >= 1, 'a download with nothing in flight may always ask for one');
      },
    ),
  );
});
