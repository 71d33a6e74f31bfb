import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { Fact } from '../../src/transfer/data-orders.ts';
import { failureOf } from '../../src/transfer/failure.ts';
import { Outbox } from '../../src/transfer/outbox.ts';
import { TaskTable } from '../../src/transfer/worker/task-table.ts';

/** Keeps how each fact was handed over. */
class KeptOutbox extends Outbox<Fact> {
  readonly handed: string[] = [];

  constructor() {
    super(() => undefined);
  }

  override put(fact: Fact): void {
    this.handed.push(`${fact.kind} at once`);
  }

  override soon(fact: Fact): void {
    this.handed.push(`${fact.kind} soon`);
  }
}

test('an end may wait for the next while many others run; a failure and the last ones may not', async () => {
  const outbox = new KeptOutbox();
  const tasks = new TaskTable(outbox);
  const running = Array.from({ length: 9 }, () => Promise.withResolvers<undefined>());
  for (const [task, { promise }] of running.entries()) void tasks.start(task, () => promise, failureOf);
  for (const [task, { resolve, reject }] of running.entries()) {
    if (task === 1) reject(new Error('broken'));
    else resolve(undefined);
    await turn();
  }
  const expected = ['done soon', 'failed at once', 'done soon', ...Array.from({ length: 6 }, () => 'done at once')];
  assert.deepEqual(outbox.handed, expected);
});
