import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Alarm } from '../../src/transfer/alarm.ts';
import { VirtualClock } from './virtual-clock.ts';

test('a wait ends with a ring, with its time, or with an earlier time that was asked for before', async () => {
  const clock = new VirtualClock();
  using alarm = new Alarm({ clock });
  await clock.drive(alarm.wait(500));
  assert.equal(clock.monotonic(), 500);
  const rung = alarm.wait(1_000);
  alarm.ring();
  await rung;
  assert.equal(clock.monotonic(), 500);
  await clock.drive(alarm.wait(5_000));
  assert.equal(clock.monotonic(), 1_500, 'the clock was not asked anew');
  void alarm.wait(10_000);
  alarm.ring();
  await clock.drive(alarm.wait(20));
  assert.ok(clock.monotonic() <= 1_520, 'never later than was asked for');
});

test('a ring while nobody waits is not lost, and counts once', async () => {
  const clock = new VirtualClock();
  using alarm = new Alarm({ clock });
  alarm.ring();
  alarm.ring();
  await alarm.wait(1_000);
  assert.equal(clock.monotonic(), 0);
  await clock.drive(alarm.wait(1_000));
  assert.equal(clock.monotonic(), 1_000);
});

test('nothing sleeps any more when it is over', async () => {
  const clock = new VirtualClock();
  const alarm = new Alarm({ clock });
  const wait = alarm.wait(1_000);
  alarm.ring();
  await wait;
  assert.equal(clock.sleeping, 1);
  alarm[Symbol.dispose]();
  assert.equal(clock.sleeping, 0);
});
