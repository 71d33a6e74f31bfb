import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HaveNews } from '../../src/swarm/have-news.ts';
import { HavePace } from '../../src/swarm/have-pace.ts';
import { HaveRounds } from '../../src/swarm/have-rounds.ts';
import { HaveReport } from '../../src/swarm/wire/exchange.js';
import type { Clock } from '../../src/util/clock.ts';
import { VirtualClock } from '../transfer/virtual-clock.ts';
import { hexOf } from './scene.ts';

test('what comes after a quiet time is told at once, and what comes then in batches, longer with more listeners', async () => {
  const clock = new VirtualClock();
  let peers = 2;
  const pace = new HavePace({ peers: () => peers }, { clock });
  assert.equal(pace.waitMs(), 30);
  pace.told(0);
  assert.equal(pace.waitMs(), 100);
  peers = 400;
  assert.equal(pace.waitMs(), 250);
  await pass(clock, 499);
  assert.equal((clock.now() + pace.waitMs()) % 250, 0);
  await pass(clock, 1);
  assert.equal(pace.waitMs(), 30);
});

test('all nodes tell at the same moments, whenever they were started', async () => {
  const clock = new VirtualClock();
  const pace = new HavePace({ peers: () => 4 }, { clock });
  for (const ms of [1, 42, 199, 200, 333]) {
    pace.told(0);
    await pass(clock, ms);
    assert.equal((clock.now() + pace.waitMs()) % 200, 0);
  }
});

test('a machine that is short of processor time tells more seldom, until it is not', async () => {
  const clock = new VirtualClock();
  const pace = new HavePace({ peers: () => 3 }, { clock });
  const told = async (lateMs: number): Promise<void> => {
    await pass(clock, 150);
    pace.told(lateMs);
  };
  await told(40);
  assert.equal(pace.waitMs(), 150, 'one late moment says nothing');
  for (let i = 0; i < 5; i += 1) await told(60);
  assert.equal((clock.now() + pace.waitMs()) % 450, 0);
  await told(0);
  assert.equal((clock.now() + pace.waitMs()) % 450, 0, 'nor does one that was not late');
  for (let i = 0; i < 20; i += 1) await told(0);
  assert.equal((clock.now() + pace.waitMs()) % 150, 0);
  assert.ok(pace.waitMs() <= 150);
});

test('all who listen are told at one moment, each once, and how late that is counts once', async () => {
  const clock = new VirtualClock();
  const late: number[] = [];
  const pace = { waitMs: () => 100, told: (ms: number) => void late.push(ms) };
  const told: string[] = [];
  const end = new AbortController();
  const sleep = (ms: number, signal: AbortSignal): Promise<void> => clock.sleep(ms + 7, signal);
  const slow: Clock = { now: () => clock.now(), monotonic: () => clock.monotonic(), sleep };
  const rounds = new HaveRounds({ signal: end.signal }, { pace, clock: slow });
  const [one, other, gone] = ['one', 'other', 'gone'].map((name) => () => void told.push(name)) as [Tell, Tell, Tell];

  for (const tell of [one, other, gone, one]) rounds.join(tell);
  rounds.leave(gone);
  await clock.advance(106);
  assert.deepEqual(told, []);
  await clock.advance(1);
  assert.deepEqual([told, late], [['one', 'other'], [7]]);

  rounds.join(gone);
  rounds.leave(gone);
  await clock.advance(200);
  assert.deepEqual([told.length, late.length], [2, 1], 'nobody was there to be told late');

  const again = (): void => rounds.join(one);
  rounds.join(again);
  await clock.advance(107);
  assert.equal(told.length, 2, 'who joins while others are told is told at the next moment');
  await clock.advance(107);
  assert.equal(told.length, 3);

  rounds.join(one);
  end.abort(new DOMException('the end', 'AbortError'));
  rounds.join(other);
  await clock.advance(1000);
  assert.equal(told.length, 3);
});

test('many are told the same in one message, others in theirs', () => {
  const news = new HaveNews();
  const [one, other] = [hexOf('one'), hexOf('other')];
  const message = news.encode(one, [3, 4, 9]);
  assert.equal(news.encode(one, [3, 4, 9]), message);
  assert.deepEqual(HaveReport.decode(message).delta?.steps, [3, 1, 5]);
  for (const [sha256, indices] of [
    [one, [3, 4]],
    [other, [3, 4, 9]],
    [one, [3, 4, 9]],
  ] as const) {
    const { sha256: named, delta } = HaveReport.decode(news.encode(sha256, indices));
    assert.equal(Buffer.from(named).toString('hex'), sha256);
    assert.equal(
      delta?.steps.reduce((sum, step) => sum + step),
      indices.at(-1),
    );
  }
});

type Tell = () => void;

async function pass(clock: VirtualClock, ms: number): Promise<void> {
  await clock.drive(clock.sleep(ms, new AbortController().signal));
}
