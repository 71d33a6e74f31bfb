import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HaveNews } from '../../src/swarm/have-news.ts';
import { HavePace } from '../../src/swarm/have-pace.ts';
import { HaveReport } from '../../src/swarm/wire/exchange.js';
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
  const tellAll = async (lateMs: number): Promise<void> => {
    await pass(clock, 150);
    for (let listener = 0; listener < 3; listener += 1) pace.told(lateMs);
  };
  await tellAll(40);
  assert.equal(pace.waitMs(), 150, 'one late moment says nothing, however many listened');
  for (let i = 0; i < 5; i += 1) await tellAll(60);
  assert.equal((clock.now() + pace.waitMs()) % 450, 0);
  await tellAll(0);
  assert.equal((clock.now() + pace.waitMs()) % 450, 0, 'nor does one that was not late');
  for (let i = 0; i < 20; i += 1) await tellAll(0);
  assert.equal((clock.now() + pace.waitMs()) % 150, 0);
  assert.ok(pace.waitMs() <= 150);
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

async function pass(clock: VirtualClock, ms: number): Promise<void> {
  await clock.drive(clock.sleep(ms, new AbortController().signal));
}
