import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLog } from '../../src/util/log.ts';
import { SystemdNotifier, systemdOptions } from '../../src/util/systemd.ts';
import { Vitals } from '../../src/util/vitals.ts';
import { TestBed } from '../support/test-bed.ts';
import { delay, eventually } from '../support/wait.ts';
import { listenForNotifications, needsNotify } from './notify-socket.ts';

test('systemd hears that the daemon is ready, how it fares and that it ends, in this order', {
  skip: needsNotify,
}, async (t) => {
  const { socket, messages } = await listenForNotifications(await TestBed.open({ context: t }));
  const notifier = new SystemdNotifier({ socket }, { log: silentLog });
  const sent = [
    notifier.status('3 models,\n1 coming'),
    notifier.ready(),
    notifier.status('3 models, 1 coming'),
    notifier.stopping(),
  ];
  await Promise.all(sent);
  await eventually('all arrived', () => messages.length >= 3);
  assert.deepEqual(messages, ['STATUS=3 models, 1 coming', 'READY=1', 'STOPPING=1']);
});

test('the watchdog is fed while the loops live, not when one falls silent, and again when it is back', {
  skip: needsNotify,
}, async (t) => {
  const { socket, messages } = await listenForNotifications(await TestBed.open({ context: t }));
  let nowMs = 0;
  const vitals = new Vitals({ clock: { now: () => nowMs, monotonic: () => nowMs, sleep: () => Promise.resolve() } });
  const scanner = vitals.watch('scanner', 1_000);
  const notifier = new SystemdNotifier({ socket, watchdogMs: 200 }, { log: silentLog });
  const controller = new AbortController();
  const probe = async (): Promise<void> => {
    await delay(1);
    vitals.assertAlive();
  };
  const running = notifier.watchdog(probe, controller.signal);
  await eventually('fed', () => messages.length >= 2);
  nowMs = 1_001;
  await delay(150); // one that was on its way
  const before = messages.length;
  await delay(400);
  assert.equal(messages.length, before);
  assert.deepEqual(vitals.silent(), ['scanner']);
  scanner.beat();
  await eventually('fed again', () => messages.length > before);
  scanner.end();
  nowMs = 1e9;
  assert.deepEqual(vitals.silent(), []);
  controller.abort();
  await running;
  assert.ok(messages.every((message) => message === 'WATCHDOG=1'));
});

test('a probe that never answers does not feed the watchdog and does not stop it from ending', {
  skip: needsNotify,
}, async (t) => {
  const { socket, messages } = await listenForNotifications(await TestBed.open({ context: t }));
  const notifier = new SystemdNotifier({ socket, watchdogMs: 100 }, { log: silentLog });
  const controller = new AbortController();
  const hang = (signal: AbortSignal): Promise<void> =>
    new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
  const running = notifier.watchdog(hang, controller.signal);
  await delay(300);
  controller.abort();
  await running;
  assert.deepEqual(messages, []);
});

test('outside systemd nothing happens, and a missing systemd-notify fails nothing', async () => {
  const outside = new SystemdNotifier(systemdOptions({}, 1), { log: silentLog });
  await outside.ready();
  await outside.watchdog(() => Promise.reject(new Error('never asked')), new AbortController().signal);
  const broken = new SystemdNotifier(
    { socket: '/nonexistent', command: '/nonexistent/systemd-notify' },
    { log: silentLog },
  );
  await broken.ready();
  await broken.stopping();
});

test('the watchdog interval counts only for the process that it is meant for', () => {
  const environment = { NOTIFY_SOCKET: '/run/systemd/notify', WATCHDOG_USEC: '60000000', WATCHDOG_PID: '42' };
  assert.deepEqual(systemdOptions(environment, 42), { socket: '/run/systemd/notify', watchdogMs: 60_000 });
  assert.equal(systemdOptions(environment, 43).watchdogMs, undefined);
  assert.equal(systemdOptions({ ...environment, WATCHDOG_PID: undefined }, 43).watchdogMs, 60_000);
  assert.equal(systemdOptions({ NOTIFY_SOCKET: '' }, 1).socket, undefined);
});
