import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { RateLimiter } from '../../src/transfer/bandwidth.ts';
import type { TaskFact } from '../../src/transfer/data-orders.ts';
import type { Answering, DataPlane } from '../../src/transfer/data-plane.ts';
import { LaneServer } from '../../src/transfer/lane/lane-server.ts';
import { UploadLedger } from '../../src/transfer/upload-ledger.ts';
import type { WorkerThread } from '../../src/transfer/worker-thread.ts';
import { systemClock } from '../../src/util/clock.ts';
import { codeOf } from '../../src/util/errors.ts';
import { silentLog } from '../../src/util/log.ts';
import { Metrics } from '../../src/util/metrics.ts';

const SLOTS = 12;
const never = new AbortController().signal;

/** A lane server whose one worker does what the test says, and listens at once whenever it is told to. */
async function serverWithWorker(): Promise<{
  ledger: UploadLedger;
  ask: Answering;
  thread: WorkerThread;
  readonly die: () => void;
}> {
  const ledger = new UploadLedger({ metrics: new Metrics() });
  let ask: Answering = () => Promise.reject(new Error('nobody answers'));
  let die = (): void => undefined;
  const thread = {
    name: 'data-1',
    start: (_order: unknown, onFact: (fact: TaskFact) => void) => {
      const { promise, reject } = Promise.withResolvers<undefined>();
      die = () => reject(new Error('the worker has died'));
      onFact({ kind: 'listening', address: { host: '127.0.0.1', port: 1 } });
      return { ended: promise, control: () => undefined, cancel: () => undefined };
    },
  } as unknown as WorkerThread;
  const plane = {
    movers: [thread],
    answerWith: (answering: Answering) => {
      ask = answering;
    },
  } as unknown as DataPlane;
  const stamp = { sizeBytes: 1000, mtimeNs: 0n, ctimeNs: 0n, inode: 0n, device: 0n };
  await LaneServer.start(
    { address: { host: '127.0.0.1', port: 0 } },
    {
      plane,
      ledger,
      log: silentLog,
      limiter: new RateLimiter({ bytesPerSecond: Infinity }, { clock: systemClock }),
      locate: () => ({ kind: 'file', path: '/nowhere', stamp }),
      onChanged: () => undefined,
      isMember: () => true,
    },
  );
  return { ledger, ask, thread, die: () => die() };
}

test('lane: turns that a worker was waiting for when it died are no turns any more', async () => {
  const { ledger, ask, thread, die } = await serverWithWorker();
  const others = await Promise.all(Array.from({ length: SLOTS }, (_, n) => ledger.slots.take(`peer ${n}`, never)));
  const turn = (): Promise<unknown> =>
    ask({ kind: 'upload-turn', peerId: 'somebody', sha256: '0'.repeat(64), index: 0 }, thread);
  const waiting = [turn(), turn(), turn()].map((one) => one.catch(() => undefined));
  await nextTurn();
  die();
  await nextTurn();
  for (const release of others) release();
  await Promise.all(waiting);
  assert.equal(ledger.slots.taken, 0);
});

test('lane: one peer that takes nothing of what it asks for does not keep the others out', async () => {
  const { ask, thread } = await serverWithWorker();
  const turn = (peerId: string): Promise<unknown> =>
    ask({ kind: 'upload-turn', peerId, sha256: '0'.repeat(64), index: 0 }, thread);
  const greedy = Array.from({ length: 2 * SLOTS }, () => turn('greedy').then(() => true, codeOf));
  await turn('other');
  const answers = await Promise.all(greedy);
  assert.ok(answers.filter((answer) => answer === true).length < SLOTS);
  assert.ok(answers.every((answer) => answer === true || answer === 'source-busy'));
});
