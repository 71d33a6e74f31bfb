import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import type { PieceOrder } from '../../src/transfer/data-orders.ts';
import { encodeAnswer } from '../../src/transfer/piece-wire.ts';
import { GATHER_BYTES } from '../../src/transfer/worker/gathering.ts';
import { fetchOverLane } from '../../src/transfer/worker/lane/fetch-lane.ts';
import { LaneLine } from '../../src/transfer/worker/lane/lane-line.ts';
import type { LaneLines } from '../../src/transfer/worker/lane/lane-lines.ts';
import type { PieceSink } from '../../src/transfer/worker/piece-sink.ts';
import type { TaskContext } from '../../src/transfer/worker/task.ts';
import { type Random, seededRandom } from '../../src/util/random.ts';
import { randomBytesOf } from '../support/random-body.ts';

const SHA = 'ab'.repeat(32);
const PEER = { peerId: 'peer', addresses: [] };
/** As in `connectLane`: where bytes go that have no place. */
const ANYWHERE_BYTES = 64 * 1024;

/** What the disk is given, in memory; each second step is still being written when the next is gathered. */
class Disk {
  readonly piece: Buffer;
  /** Steps of a piece that nobody wants any more: its file may be closed by then. */
  late = 0;
  isWanted = true;
  readonly #behind: { readonly buffer: Uint8Array; readonly at: number; readonly length: number }[] = [];
  #at = 0;
  #steps = 0;

  constructor(length: number) {
    this.piece = Buffer.alloc(length);
  }

  writeStep(buffer: Uint8Array, length: number): Uint8Array {
    if (!this.isWanted) this.late += 1;
    const at = this.#at;
    this.#at += length;
    this.#steps += 1;
    if (this.#steps % 2 === 1) {
      this.piece.set(buffer.subarray(0, length), at);
      return buffer;
    }
    this.#behind.push({ buffer, at, length });
    return new Uint8Array(GATHER_BYTES);
  }

  /** What was still being written is written now, as the buffers are now. */
  flush(): Buffer {
    for (const { buffer, at, length } of this.#behind.splice(0)) this.piece.set(buffer.subarray(0, length), at);
    return this.piece;
  }
}

interface Fetch {
  readonly id: number;
  readonly bytes: Buffer;
  readonly disk: Disk;
  readonly ended: Promise<void>;
  readonly controller: AbortController;
}

/** One lane, its fetches, and what reads the socket as Node does: the place of the next bytes is asked for beforehand. */
class LaneScene {
  readonly line: LaneLine;
  readonly fetches: Fetch[] = [];
  readonly #anywhere = new Uint8Array(ANYWHERE_BYTES);
  #place: Uint8Array;

  constructor() {
    const socket = Object.assign(new EventEmitter(), { write: () => true, destroy: () => undefined });
    this.line = LaneLine.over(socket as unknown as Socket, () => undefined);
    this.#place = this.#nextPlace();
  }

  /** The next bytes would go where a piece gathers. */
  get holdsPlace(): boolean {
    return this.#place !== this.#anywhere;
  }

  async fetch(length: number, seed: string): Promise<Fetch> {
    const id = this.fetches.length + 1;
    const bytes = Buffer.from(randomBytesOf(seed, length));
    const disk = new Disk(length);
    const controller = new AbortController();
    const { signal } = controller;
    const context = { signal, tell() {}, soon() {}, mention() {} } as unknown as TaskContext;
    const order = { piece: { index: id, length } } as unknown as PieceOrder;
    const lines = { get: () => Promise.resolve(this.line) } as unknown as LaneLines;
    const sink = disk as unknown as PieceSink;
    const ended = fetchOverLane({ ...order, peer: PEER, sha256: SHA }, sink, lines, context);
    ended.catch(() => undefined);
    const fetch = { id, bytes, disk, ended, controller };
    this.fetches.push(fetch);
    // Its request goes out in the order of the calls.
    await settled();
    return fetch;
  }

  cancel(fetch: Fetch): void {
    fetch.disk.isWanted = false;
    fetch.controller.abort(new DOMException('not wanted', 'AbortError'));
  }

  /** Bytes have come; the kernel gives at most as many at a time as the place has room for. */
  receive(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + this.#place.length);
      this.#place.set(part);
      this.line.take(this.#place.subarray(0, part.length));
      this.#place = this.#nextPlace();
      at += part.length;
    }
  }

  #nextPlace(): Uint8Array {
    return this.line.place() ?? this.#anywhere;
  }
}

function data(fetch: Fetch, from: number, to: number): Buffer {
  return Buffer.concat([
    encodeAnswer({ kind: 'data', id: fetch.id, bytes: to - from }),
    fetch.bytes.subarray(from, to),
  ]);
}

function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

test('the bytes that come into the place of a cancelled piece are nobody’s, and the next piece begins after them', async () => {
  const scene = new LaneScene();
  const given = await scene.fetch(100_000, 'given up');
  const next = await scene.fetch(2 * GATHER_BYTES, 'next');
  scene.receive(data(given, 0, 100_000).subarray(0, 40_000));
  assert.ok(scene.holdsPlace);
  scene.cancel(given);
  // The socket still has the place, and what is on its way fills it: the rest of the record, and the next piece at once.
  scene.receive(Buffer.concat([data(given, 0, 100_000).subarray(40_000), data(next, 0, 2 * GATHER_BYTES)]));
  await next.ended;
  assert.ok(next.disk.flush().equals(next.bytes));
  await assert.rejects(given.ended, { name: 'AbortError' });
  assert.equal(scene.line.busy, false);
});

test('whatever is cancelled while the socket holds its place, the other pieces are whole', async () => {
  let heldWhenCancelled = 0;
  for (let seed = 1; seed <= 60; seed += 1) {
    const scene = new LaneScene();
    heldWhenCancelled += await runLane(scene, seededRandom(seed), seed);
    for (const { id, disk, bytes, ended } of scene.fetches) {
      assert.equal(disk.late, 0, `piece ${id} goes on after its end, seed ${seed}`);
      if (!disk.isWanted) continue;
      await ended;
      assert.ok(disk.flush().equals(bytes), `piece ${id}, seed ${seed}`);
    }
    assert.equal(scene.line.ended, undefined, `seed ${seed}`);
    assert.equal(scene.line.busy, false, `seed ${seed}`);
  }
  assert.ok(heldWhenCancelled > 30, `only ${heldWhenCancelled} were cancelled while the socket held a place`);
});

/** An honest peer sends six pieces, some of which are cancelled on their way. Returns how many of them while a place was held. */
async function runLane(scene: LaneScene, random: Random, seed: number): Promise<number> {
  const below = (limit: number): number => Math.floor(random() * limit);
  for (let count = 0; count < 6; count += 1) await scene.fetch(1 + below(400_000), `${seed}/${count}`);
  let held = 0;
  let waiting = Buffer.alloc(0);
  /** As on the line: in parts that know nothing of records. */
  const pass = (leave: number): void => {
    while (waiting.length > leave) {
      const part = waiting.subarray(0, 1 + below(90_000));
      waiting = waiting.subarray(part.length);
      scene.receive(part);
    }
  };
  for (const fetch of scene.fetches) {
    let at = 0;
    while (at < fetch.bytes.length && fetch.disk.isWanted) {
      const to = Math.min(fetch.bytes.length, at + 1 + below(150_000));
      waiting = Buffer.concat([waiting, data(fetch, at, to)]);
      at = to;
      pass(below(100_000));
      if (below(6) > 0) continue;
      if (scene.holdsPlace) held += 1;
      scene.cancel(fetch);
    }
    if (at < fetch.bytes.length) {
      waiting = Buffer.concat([waiting, encodeAnswer({ kind: 'cancelled', id: fetch.id, bytes: 0 })]);
    }
  }
  pass(0);
  await settled();
  return held;
}
