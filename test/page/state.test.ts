import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Peer, Transfer } from '../../src/api/schemas.ts';
import { EventParser } from '../../src/page/api/event-parser.ts';
import { formatAge, formatLeft } from '../../src/page/format.ts';
import { placeAfter } from '../../src/page/matrix/grid-keys.ts';
import { layoutFor } from '../../src/page/matrix/layout.ts';
import { EventLog } from '../../src/page/state/event-log.ts';
import { type FleetFilter, select } from '../../src/page/state/fleet-filter.ts';
import { FleetTable, shareOf, totalsOf } from '../../src/page/state/fleet-table.ts';
import { PeerRates } from '../../src/page/state/peer-rates.ts';
import { visibleSpan } from '../../src/page/state/span.ts';
import { cellsOf, gridFor } from '../../src/page/view/piece-grid.ts';
import { bigFleet } from './big-fleet.ts';

const fleet = bigFleet({ nodes: 20, models: 100 });
const table = FleetTable.from(fleet);
const everything: FleetFilter = { query: '', state: 'all', sort: 'model', descending: false };

test('server-sent events are the same, however the network cuts them', () => {
  const text =
    'retry: 1000\n\nevent: model\ndata: {"a":1}\n\n: still here\n\nevent: x\r\ndata: one\r\ndata: two\r\n\r\ndata:z\n\n';
  const whole = new EventParser().push(text);
  assert.deepEqual(whole, [
    { event: 'model', data: '{"a":1}' },
    { event: 'x', data: 'one\ntwo' },
    { event: 'message', data: 'z' },
  ]);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: text.length }), { maxLength: 12 }), (cuts) => {
      const parser = new EventParser();
      const places = [0, ...cuts.sort((a, b) => a - b), text.length];
      const events = places.slice(1).flatMap((end, index) => parser.push(text.slice(places[index], end)));
      assert.deepEqual(events, whole);
    }),
  );
});

test('a stream that never ends its event or its line is left', () => {
  assert.throws(() => new EventParser({ maxLength: 100 }).push('x'.repeat(101)), RangeError);
  const parser = new EventParser({ maxLength: 100 });
  assert.throws(() => {
    for (let turn = 0; turn < 20; turn += 1) parser.push('data: 12345678\n');
  }, RangeError);
});

test('copies are counted, and states come before bits', () => {
  for (const model of fleet.models.keys()) {
    const count = fleet.nodes.filter(
      ({ status }, node) => status !== 'offline' && table.isInstalled(node, model),
    ).length;
    assert.equal(table.copies[model], count);
  }
  for (const [node, { cells }] of fleet.nodes.entries()) {
    for (const { model, state } of cells) assert.equal(table.stateOf(node, model), state);
  }
  assert.equal(totalsOf(table).models, 100);
});

test('progress of the list is progress of the matrix, also of what the matrix has not heard of', () => {
  const [known, other] = [...fleet.models.keys()].filter((model) => table.stateOf(0, model) === 'absent');
  const transfer = (model: number, state: 'fetching' | 'queued', bytesDone: number): Transfer => ({
    ...{ model: fleet.models[model]!.id, state, bytesTotal: 100, bytesDone, refetchedBytes: 0, bytesPerSecond: 1 },
    ...{ startedAt: '2026-01-31T12:00:00.000Z', seconds: 1, sources: [] },
  });
  const next = table.withProgress([transfer(known!, 'fetching', 40), transfer(other!, 'queued', 0)]);
  assert.equal(shareOf(next.cell(0, known!)), 0.4);
  assert.deepEqual(next.cell(0, other!), { model: other, state: 'queued' });
  assert.equal(shareOf(next.withProgress([transfer(known!, 'fetching', 70)]).cell(0, known!)), 0.7);
  assert.equal(table.withProgress([]), table);
});

test('a word is looked for in models, and where no model has it in nodes', () => {
  const canny = select(table, { ...everything, query: 'CANNY' });
  assert.ok(canny.models.length > 0 && canny.models.every((model) => fleet.models[model]!.id.includes('canny')));
  assert.equal(canny.nodes.length, 20);
  const node = select(table, { ...everything, query: 'canny gpu-007' });
  assert.deepEqual(node, { models: canny.models, nodes: [6] });
  assert.deepEqual(select(table, { ...everything, query: 'node:canny' }).nodes, []);
  assert.deepEqual(select(table, { ...everything, query: 'neither' }).models, []);
});

test('states are looked for in the nodes that are shown', () => {
  const single = select(table, { ...everything, state: 'single' });
  assert.ok(single.models.every((model) => table.copies[model] === 1));
  const missing = select(table, { ...everything, state: 'missing', query: 'gpu-003' });
  assert.deepEqual(
    missing.models,
    [...fleet.models.keys()].filter((model) => !table.isInstalled(2, model)),
  );
  const largest = select(table, { ...everything, sort: 'size', descending: true }).models;
  const sizes = largest.map((model) => fleet.models[model]!.sizeBytes!);
  assert.deepEqual(
    sizes,
    sizes.toSorted((a, b) => b - a),
  );
});

test('what is in sight is drawn, and little more', () => {
  fc.assert(
    fc.property(fc.nat(60_000), fc.nat(2_000), fc.nat(2_000), (offset, length, count) => {
      const span = visibleSpan({ offset, length, itemSize: 30, count, step: 4 });
      assert.ok(span.start >= 0 && span.end <= count && span.start <= span.end);
      const first = Math.floor(offset / 30);
      const last = Math.min(count, Math.ceil((offset + length) / 30));
      if (first < last) assert.ok(span.start <= first && span.end >= last, JSON.stringify(span));
      assert.ok(span.end - span.start <= length / 30 + 20);
    }),
  );
});

test('keys lead through the grid and never out of it', () => {
  const size = { rows: 10, columns: 5, pageRows: 4, hidden: [1] };
  assert.deepEqual(placeAfter('ArrowRight', false, { row: 0, column: 0 }, size), { row: 0, column: 2 });
  assert.deepEqual(placeAfter('ArrowLeft', false, { row: 0, column: 2 }, size), { row: 0, column: 0 });
  assert.deepEqual(placeAfter('ArrowUp', false, { row: 0, column: 3 }, size), { row: -1, column: 3 });
  assert.deepEqual(placeAfter('PageDown', false, { row: 8, column: 3 }, size), { row: 9, column: 3 });
  assert.deepEqual(placeAfter('End', true, { row: 1, column: 0 }, size), { row: 9, column: 4 });
  assert.deepEqual(placeAfter('Home', true, { row: 9, column: 4 }, size), { row: 0, column: 0 });
  assert.equal(placeAfter('a', false, { row: 0, column: 0 }, size), undefined);
});

test('few nodes get room for their names, many stand upright', () => {
  assert.equal(layoutFor(1_000, { count: 4, longestName: 7 }).upright, false);
  const many = layoutFor(1_000, { count: 200, longestName: 7 });
  assert.equal(many.upright, true);
  assert.ok(many.cellWidth >= 24, 'a cell can be clicked');
  assert.equal(layoutFor(400, { count: 200, longestName: 7 }).sizeWidth, 0);
});

test('every piece has its share of a cell, however many there are', () => {
  for (const pieces of [1, 40, 1_088, 6_400, 70_000]) {
    const grid = gridFor(pieces, 400, 40);
    const cells = Math.ceil(pieces / grid.perCell);
    assert.ok(cells <= grid.columns * Math.floor(40 / grid.cellPx), `${pieces} pieces`);
  }
  const map = { here: btoa('\xf0\x00'), offered: btoa('\xff\x80'), pieceCount: 10 };
  assert.deepEqual(cellsOf(map, 5), [
    { here: 0.8, offered: true },
    { here: 0, offered: false },
  ]);
});

test('progress is no event', () => {
  const log = new EventLog();
  const transfer = { model: 'x', state: 'fetching', bytesTotal: 100, seconds: 1, sources: [] };
  assert.equal(log.add('transfer', { ...transfer, bytesDone: 1 }), true);
  assert.equal(log.add('transfer', { ...transfer, bytesDone: 2 }), false);
  assert.equal(log.add('fleet', { revision: 'x' }), false);
  log.add('peer', { peerId: 'p', name: 'gpu-2', change: 'blamed' });
  assert.equal(log.entries[0]?.tone, 'bad');
  for (let turn = 0; turn < 500; turn += 1) log.add('model', { id: `m${turn}`, state: 'installed' });
  assert.equal(log.entries.length, 200);
});

test('times are short', () => {
  assert.equal(formatLeft(42_000), '0:42');
  assert.equal(formatLeft(12_000_000), '3 h 20 min');
  assert.equal(formatAge(900), 'now');
  assert.equal(formatAge(8_300), '8 s');
  assert.equal(formatAge(200_000), '3 min');
});

test('the rate of a peer is that of the last seconds, however close together its readings lie', () => {
  const rates = new PeerRates();
  const read = (ms: number): number | undefined => {
    // A piece of 256 KiB each quarter of a second.
    const receivedBytes = Math.floor(ms / 250) * 2 ** 18;
    return rates.read([{ peerId: 'p', receivedBytes, sentBytes: 0 } as Peer], ms).get('p')?.receivedPerSecond;
  };
  assert.equal(read(240), undefined);
  assert.equal(read(260), undefined, 'a piece in 20 ms says nothing');
  for (let ms = 3_000; ms < 12_000; ms += ms % 3_000 === 0 ? 740 : 2_260) {
    const rate = (read(ms) ?? 0) / 2 ** 20;
    assert.ok(Math.abs(rate - 1) < 0.12, `${rate} MiB/s at ${ms} ms`);
  }
});

test('on a small screen the names get what a few nodes leave over', () => {
  const few = layoutFor(490, { count: 3, longestName: 5 });
  assert.ok(few.nameWidth > layoutFor(490, { count: 12, longestName: 5 }).nameWidth);
  assert.ok(few.nameWidth + few.copiesWidth + 3 * few.cellWidth <= 490);
});
