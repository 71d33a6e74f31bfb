import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Piece } from '../../src/transfer/piece-source.ts';
import { RequestLine } from '../../src/transfer/request-line.ts';
import { Scene } from './scene.ts';
import { VirtualClock } from './virtual-clock.ts';

function piece(index: number): Piece {
  return { index, offset: index * 1000, length: 1000, hash: new Uint8Array(32) };
}

class Asked {
  readonly clock = new VirtualClock();
  readonly line = new RequestLine('peer:a', this);

  get silentMs(): number {
    return this.clock.monotonic() - this.line.quietSinceMs;
  }

  ask(index: number) {
    return this.line.add(piece(index), this.clock.monotonic());
  }
}

test('a source that is asked anew has been silent since it was first asked', async () => {
  const scene = new Asked();
  for (let index = 0; index < 5; index += 1) {
    const request = scene.ask(index);
    await scene.clock.advance(1_000);
    scene.line.remove(request, scene.clock.monotonic());
  }
  scene.ask(5);
  assert.equal(scene.silentMs, 5_000);
});

test('the time in which nothing is asked of a source is no silence', async () => {
  const scene = new Asked();
  await scene.clock.advance(10_000);
  const cancelled = scene.ask(0);
  assert.equal(scene.silentMs, 0);
  await scene.clock.advance(300);
  scene.line.remove(cancelled, scene.clock.monotonic());
  await scene.clock.advance(60_000);
  const request = scene.ask(1);
  assert.equal(scene.silentMs, 300);
  await scene.clock.advance(200);
  scene.line.received(request, 1000, scene.clock.monotonic());
  assert.equal(scene.silentMs, 0);
  // It waits for the disk; the source owes nothing.
  await scene.clock.advance(9_000);
  scene.ask(2);
  assert.equal(scene.silentMs, 0);
  scene.line.done(request, scene.clock.monotonic());
  await scene.clock.advance(400);
  assert.equal(scene.silentMs, 400);
});

test('bytes of a piece that is no longer wanted are a sign of life', async () => {
  const scene = new Asked();
  const dropped = scene.ask(0);
  await scene.clock.advance(1_500);
  dropped.dropped = true;
  scene.line.remove(dropped, scene.clock.monotonic());
  scene.line.received(dropped, 500, scene.clock.monotonic());
  assert.equal(dropped.received, 500);
  scene.ask(1);
  assert.equal(scene.silentMs, 0);
});

test('only the time for which this process was held up is forgiven', async () => {
  const scene = new Asked();
  scene.ask(0);
  await scene.clock.advance(2_000);
  scene.line.forgiveSilence(600, scene.clock.monotonic());
  assert.equal(scene.silentMs, 1_400);
  scene.line.forgiveSilence(60_000, scene.clock.monotonic());
  assert.equal(scene.silentMs, 0);
});

test('a new connection begins without a word of reproach', async () => {
  const scene = new Asked();
  const request = scene.ask(0);
  await scene.clock.advance(2_500);
  scene.line.remove(request, scene.clock.monotonic());
  scene.line.reset();
  scene.ask(1);
  assert.equal(scene.silentMs, 0);
});

/** Whoever sleeps is woken late: a machine on which everything waits for the processor. */
class LateClock extends VirtualClock {
  override sleep(ms: number, signal: AbortSignal): Promise<void> {
    return super.sleep(ms + 700, signal);
  }
}

test('a dead source is left also by a process that is held up all the time', async () => {
  const scene = new Scene({ seed: 1, pieces: 20 }, { clock: new LateClock() });
  scene.peer('dead', { stalls: 1 });
  const run = scene.download.run(scene.stop.signal);
  await scene.clock.advance(15_000);
  assert.ok(scene.logged('source left').some(({ source }) => String(source).includes('dead')));
  scene.stop.abort();
  await assert.rejects(scene.clock.drive(run), { name: 'AbortError' });
});
