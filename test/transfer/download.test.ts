import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RateLimiter } from '../../src/transfer/bandwidth.ts';
import type { DownloadState } from '../../src/transfer/download-progress.ts';
import type { SourceActivity } from '../../src/transfer/session-listener.ts';
import { ShoalError } from '../../src/util/errors.ts';
import { PIECE, Scene } from './scene.ts';
import { VirtualClock } from './virtual-clock.ts';

const kinds = (states: readonly DownloadState[]): string[] => states.map((state) => state.kind);

function statesOf(scene: Scene): DownloadState[] {
  const states: DownloadState[] = [];
  scene.download.on('state', (state) => states.push(state));
  return states;
}

function activityOf(scene: Scene, id: string): SourceActivity | undefined {
  return scene.download.progress().sources.find((source) => source.id.id === id)?.state;
}

test('without faults every piece is fetched exactly once, from all sources together', async () => {
  const scene = new Scene({ seed: 1, pieces: 90 });
  for (const id of ['a', 'b', 'c']) scene.peer(id);
  const arrived: number[] = [];
  scene.download.on('piece', (index) => arrived.push(index));
  const result = await scene.run();
  assert.equal(result.state.kind, 'complete');
  assert.deepEqual(scene.asksPerPiece(), new Array(90).fill(1));
  assert.deepEqual(
    arrived.toSorted((a, b) => a - b),
    [...new Array(90).keys()],
  );
  assert.equal(result.refetchedBytes, 0);
  assert.equal(result.receivedBytes, result.bytesTotal);
  for (const source of result.sources) assert.ok(source.pieces > 20, `${source.id.id} gave ${source.pieces}`);
  // Three lines of 10 MB/s for 23.6 MB.
  assert.ok(scene.clock.monotonic() < 950, `took ${scene.clock.monotonic()} ms`);
});

test('a source that reads ahead is asked for as many pieces as it wants at once, before anything is measured', async () => {
  const scene = new Scene({ seed: 22, pieces: 40 });
  const origin = scene.origin('a', { leastWindow: 16 });
  await scene.run();
  const [first] = origin.asks;
  assert.equal(origin.asks.filter(({ atMs }) => atMs === first?.atMs).length, 16);
});

test('nothing is left behind when it is complete: no timer, no listener, no open source, no budget', async () => {
  const scene = new Scene({ seed: 2, pieces: 20 });
  scene.peer('a');
  scene.peer('b', {}, [1, 2, 3]);
  await scene.run();
  await scene.clock.advance(0);
  assert.equal(scene.clock.sleeping, 0);
  assert.equal(scene.budget.bytes, 0);
  for (const source of scene.sources) {
    assert.equal(source.closed, source.opened);
    assert.equal(source.listeners, 0);
  }
});

test('what is here already is not fetched again', async () => {
  const have = [...new Array(40).keys()].filter((index) => index % 3 !== 0);
  const scene = new Scene({ seed: 3, pieces: 40, have });
  scene.peer('a');
  const result = await scene.run();
  assert.deepEqual(
    scene.asksPerPiece(),
    [...new Array(40).keys()].map((index) => (index % 3 === 0 ? 1 : 0)),
  );
  assert.equal(result.bytesDone, result.bytesTotal);
});

test('a complete blob ends at once, without any source', async () => {
  const scene = new Scene({ seed: 4, pieces: 3, have: [0, 1, 2] });
  assert.equal((await scene.run()).state.kind, 'complete');
  assert.equal(scene.clock.monotonic(), 0);
});

test('an origin gives only what no peer holds', async () => {
  const scene = new Scene({ seed: 5, pieces: 60 });
  const peer = scene.peer('a', {}, [...new Array(40).keys()]);
  const origin = scene.origin('http://nas/');
  // Known before the first piece is asked for.
  await scene.run();
  assert.ok(
    origin.asks.every((ask) => ask.index >= 40 || ask.atMs < 5),
    'the origin was asked for what a peer holds',
  );
  assert.ok(peer.asks.length >= 38);
});

test('an origin waits for a peer that is being opened, but not for long', async () => {
  const soon = new Scene({ seed: 5, pieces: 1 });
  soon.peer('a', { latencyMs: 200 });
  const unread = soon.origin('http://nas/');
  await soon.run();
  assert.equal(unread.asks.length, 0);
  const late = new Scene({ seed: 5, pieces: 1 });
  late.peer('a', { latencyMs: 5000 });
  late.origin('http://nas/');
  await late.run();
  assert.ok(late.clock.monotonic() < 1600);
});

test('an origin does not wait for peers that only just fetch it themselves, unless it is small', async () => {
  const askedMs = async (pieces: number): Promise<number> => {
    const scene = new Scene({ seed: 5, pieces });
    for (const name of ['a', 'b', 'c']) scene.peer(name, { latencyMs: 5000, fetching: true }, []);
    const origin = scene.origin('http://nas/');
    await scene.run();
    return origin.asks[0]?.atMs ?? Infinity;
  };
  assert.ok((await askedMs(40)) < 100);
  assert.ok((await askedMs(4)) >= 1500);
});

test('a peer that joins late takes over from the origin', async () => {
  const scene = new Scene({ seed: 6, pieces: 100 });
  const origin = scene.origin('http://nas/', { bytesPerSecond: 1e6 });
  const running = scene.download.run(scene.stop.signal);
  await scene.clock.advance(5000);
  const peer = scene.peer('late', { bytesPerSecond: 50e6 });
  await scene.clock.drive(running);
  assert.ok(origin.asks.length < 30, `the origin was asked ${origin.asks.length} times`);
  assert.ok(peer.asks.length > 70);
});

test('pieces that a fetching peer gains are asked for as it gains them', async () => {
  const scene = new Scene({ seed: 7, pieces: 30 });
  const peer = scene.peer('growing', {}, []);
  const growing = (async () => {
    for (let index = 0; index < 30; index += 1) {
      await scene.clock.sleep(500, scene.stop.signal);
      peer.gain(index);
    }
  })();
  await scene.run();
  await growing;
  assert.deepEqual(scene.asksPerPiece(), new Array(30).fill(1));
  assert.ok(scene.clock.monotonic() < 15_200);
});

test('a corrupt piece is fetched again elsewhere and its sender is named after the first one', async () => {
  const scene = new Scene({ seed: 8, pieces: 60 });
  const liar = scene.peer('liar', { corrupt: 1 });
  scene.peer('honest');
  const result = await scene.run();
  assert.equal(result.state.kind, 'complete');
  const lines = scene.logged('bad piece');
  assert.equal(lines.length, 1);
  assert.equal(lines[0]?.['peer'], 'liar');
  assert.equal(lines[0]['reason'], 'piece-corrupt');
  assert.ok(liar.asks.length <= 2, 'not asked again after the first bad piece');
  assert.match(await scene.metrics.text(), /shoal_rejected_pieces_total\{peer="liar"\} 1/);
  assert.equal(result.sources.find((source) => source.id.id === 'liar')?.state, 'blamed');
  assert.ok(result.refetchedBytes > 0 && result.refetchedBytes <= 2 * PIECE);
});

test('a source blamed in one download is not asked in another', async () => {
  const scene = new Scene({ seed: 9, pieces: 20 });
  const peer = scene.peer('elsewhere-a-liar');
  const honest = scene.peer('honest', { bytesPerSecond: 1e6 });
  const running = scene.download.run(scene.stop.signal);
  await scene.clock.advance(60);
  const before = peer.asks.length;
  scene.blame.strike(peer.id, { reason: 'source-lied', sha256: 'other', piece: 1, detail: 'test' });
  await scene.clock.drive(running);
  assert.equal(peer.asks.length, before);
  assert.ok(honest.asks.length >= 20 - before);
});

test('a source that falls silent is left within 3 s and its pieces come from others', async () => {
  for (const kind of ['peer', 'origin'] as const) {
    const scene = new Scene({ seed: 10, pieces: 100 });
    const silent = scene[kind]('silent', { silentFromMs: 200, deaf: true });
    scene.peer('steady', { bytesPerSecond: 1e6 }, kind === 'peer' ? undefined : []);
    if (kind === 'origin') scene.origin('http://other/', { bytesPerSecond: 1e6 });
    const running = scene.download.run(scene.stop.signal);
    await scene.clock.advance(3200);
    assert.equal(activityOf(scene, 'silent'), 'stalled');
    assert.ok(silent.asks.every((ask) => ask.signal.aborted || ask.ended));
    await scene.clock.drive(running);
    assert.equal(scene.logged('download stalled').length, 0);
  }
});

test('a download that nobody gives anything says so, and goes on by itself', async () => {
  const scene = new Scene({ seed: 11, pieces: 100 });
  scene.peer('a', { silentFromMs: 300, silentUntilMs: 10_300 });
  const states = statesOf(scene);
  const running = scene.download.run(scene.stop.signal);
  await scene.clock.advance(3400);
  assert.equal(scene.download.state.kind, 'stalled');
  assert.equal(scene.download.progress().etaMs, undefined);
  assert.match(await scene.metrics.text(), /shoal_stalled_downloads 1/);
  await scene.clock.drive(running);
  assert.deepEqual(kinds(states), ['fetching', 'stalled', 'fetching', 'complete']);
  assert.equal(scene.logged('download stalled').length, 1);
  assert.equal(scene.logged('download goes on').length, 1);
  assert.match(await scene.metrics.text(), /shoal_stalled_downloads 0/);
  assert.ok(scene.clock.monotonic() < 20_000, 'tried again soon after the line was mended');
});

test('a download without any source stalls and begins when one joins', async () => {
  const scene = new Scene({ seed: 12, pieces: 10 });
  const running = scene.download.run(scene.stop.signal);
  await scene.clock.advance(60_000);
  assert.equal(scene.download.state.kind, 'stalled');
  scene.peer('late');
  const startMs = scene.clock.monotonic();
  await scene.clock.drive(running);
  assert.ok(scene.clock.monotonic() - startMs < 400);
});

test('a source that goes is opened again when it is back', async () => {
  const scene = new Scene({ seed: 13, pieces: 100 });
  const peer = scene.peer('restarting', { goneFromMs: 1000, goneUntilMs: 6000 });
  await scene.run();
  assert.ok(peer.opened >= 2);
  assert.equal(scene.blame.list().length, 0, 'going away is no lie');
});

test('a source that is removed is not asked again, and its pieces go elsewhere', async () => {
  const scene = new Scene({ seed: 14, pieces: 50 });
  const leaving = scene.peer('leaving', { bytesPerSecond: 1e6 });
  scene.peer('staying', { bytesPerSecond: 1e6 });
  const running = scene.download.run(scene.stop.signal);
  await scene.clock.advance(2000);
  scene.download.removeSource(leaving.id);
  const before = leaving.asks.length;
  const result = await scene.clock.drive(running);
  assert.equal(leaving.asks.length, before);
  assert.equal(activityOf(scene, 'leaving'), 'gone');
  assert.ok(
    result.sources.some((source) => source.id.id === 'leaving' && source.pieces > 0),
    'what it gave is still told',
  );
});

test('a busy source is left alone for a moment, without losing what it already sends', async () => {
  const scene = new Scene({ seed: 15, pieces: 40 });
  const peer = scene.peer('busy', { busy: 0.3 });
  const result = await scene.run();
  assert.equal(peer.opened, 1);
  assert.equal(result.refetchedBytes, 0);
});

test('a slow source does not hold up the end', async () => {
  const scene = new Scene({ seed: 16, pieces: 50 });
  scene.peer('quick', { bytesPerSecond: 20e6 });
  const slow = scene.peer('slow', { bytesPerSecond: 0.03e6 });
  const result = await scene.run();
  assert.ok(scene.clock.monotonic() < 3000, `took ${scene.clock.monotonic()} ms`);
  assert.ok(
    slow.asks.every((ask) => ask.ended),
    'the loser was cancelled',
  );
  assert.ok(result.refetchedBytes <= 2 * PIECE);
});

test('a single piece is not asked of everybody', async () => {
  const scene = new Scene({ seed: 17, pieces: 1 });
  for (const id of ['a', 'b', 'c']) scene.peer(id);
  const result = await scene.run();
  assert.deepEqual(scene.asksPerPiece(), [1]);
  assert.equal(result.refetchedBytes, 0);
});

test('a full disk pauses the download until there is room', async () => {
  const scene = new Scene({ seed: 18, pieces: 50 });
  const peer = scene.peer('a', { bytesPerSecond: 1e6 });
  let full = false;
  peer.onAsk = () => {
    if (full) throw new ShoalError('disk-full', 'no space left', { fields: { missingBytes: 123 } });
  };
  const states = statesOf(scene);
  const running = scene.download.run(scene.stop.signal);
  await scene.clock.advance(3000);
  full = true;
  scene.hasRoom = false;
  await scene.clock.advance(20_000);
  const { state } = scene.download;
  assert.ok(state.kind === 'paused' && state.problem.fields['missingBytes'] === 123);
  const asked = peer.asks.length;
  await scene.clock.advance(20_000);
  assert.equal(peer.asks.length, asked, 'nothing is asked for while there is no room');
  full = false;
  scene.hasRoom = true;
  await scene.clock.drive(running);
  assert.deepEqual(kinds(states), ['fetching', 'paused', 'fetching', 'complete']);
  assert.equal(scene.logged('disk full').length, 1);
});

test('an abort ends it at once, also among sources that hear nothing', async () => {
  const scene = new Scene({ seed: 19, pieces: 50 });
  scene.peer('deaf', { stalls: 1, deaf: true });
  scene.peer('fine', { bytesPerSecond: 1e5 });
  const running = scene.download.run(scene.stop.signal);
  await scene.clock.advance(1500);
  scene.stop.abort(new DOMException('enough', 'AbortError'));
  await assert.rejects(scene.clock.drive(running, 1500), { name: 'AbortError' });
  assert.equal(scene.budget.bytes, 0);
  assert.equal(scene.download.state.kind, 'idle');
  await scene.clock.advance(0);
  assert.equal(scene.clock.sleeping, 0);
});

test('limits hold, for origins on their own, and waiting for them is no stall', async () => {
  const clock = new VirtualClock();
  const limiters = { origin: new RateLimiter({ bytesPerSecond: 0.05e6 }, { clock }) };
  const scene = new Scene({ seed: 20, pieces: 11 }, { limiters, clock });
  scene.origin('http://nas/', { bytesPerSecond: 100e6 });
  await scene.run();
  // 2.9 MB, of which the first piece goes at once and the burst is free.
  assert.ok(clock.monotonic() > 51_000 && clock.monotonic() < 54_000, `took ${clock.monotonic()} ms`);
  assert.equal(scene.logged('stalled').length, 0);
});

test('rate and time left follow what is received', async () => {
  const scene = new Scene({ seed: 21, pieces: 400 });
  scene.peer('a', { bytesPerSecond: 4e6 });
  const running = scene.download.run(scene.stop.signal);
  await scene.clock.advance(10_000);
  const { bytesPerSecond, etaMs = 0, bytesDone, bytesTotal } = scene.download.progress();
  assert.ok(Math.abs(bytesPerSecond / 4e6 - 1) < 0.1, `${bytesPerSecond}`);
  assert.ok(Math.abs(etaMs / ((bytesTotal - bytesDone) / 4000) - 1) < 0.1, `${etaMs}`);
  scene.stop.abort();
  await assert.rejects(scene.clock.drive(running));
});

test('a source that tells only the end of a piece works as well', async () => {
  const scene = new Scene({ seed: 22, pieces: 50 });
  scene.peer('quiet', { reportsOnlyTheEnd: true });
  const result = await scene.run();
  assert.equal(result.receivedBytes, result.bytesTotal);
});
