import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestBed } from '../support/test-bed.ts';
import { delay, eventually } from '../support/wait.ts';
import { listenForNotifications, needsNotify } from './notify-socket.ts';

test('a daemon under systemd says ready, feeds its watchdog and says when it ends', {
  skip: needsNotify,
}, async (t) => {
  const bed = await TestBed.open({ context: t });
  const { socket, messages } = await listenForNotifications(bed);
  const daemon = await bed.daemon('a', { env: { NOTIFY_SOCKET: socket, WATCHDOG_USEC: '1000000' } });
  await eventually('ready', () => messages.includes('READY=1'));
  await eventually('fed', () => messages.filter((message) => message === 'WATCHDOG=1').length >= 2);
  daemon.pause(); // a process that hangs
  await delay(200);
  const before = messages.length;
  await delay(1_500);
  assert.equal(messages.length, before);
  daemon.resume();
  await eventually('fed again', () => messages.length > before);
  const { code } = await daemon.stop(5_000);
  assert.equal(code, 0);
  await eventually('stopping', () => messages.includes('STOPPING=1'));
  assert.ok(
    messages.some((message) => message.startsWith('STATUS=')),
    'a line for systemctl status',
  );
});
