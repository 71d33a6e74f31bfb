import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { BufferPool } from '../../src/transfer/buffer-pool.ts';
import { WorkerThread } from '../../src/transfer/worker-thread.ts';
import { GateTable } from '../../src/transfer/write-gate.ts';
import { silentLog } from '../../src/util/log.ts';

const gates = new GateTable();

test('an open gate lets writes pass, also after one that failed; a closed one lets none', async () => {
  const gate = gates.open();
  let writes = 0;
  assert.equal(
    gate.pass(() => (writes += 1)),
    true,
  );
  assert.throws(() => gate.pass(() => assert.fail('disk full')), /disk full/);
  assert.equal(gate.closed, false);
  await gate.close();
  await gate.close();
  assert.equal(gate.closed, true);
  assert.equal(
    gate.pass(() => (writes += 1)),
    false,
  );
  assert.equal(writes, 1);
});

test('closing waits for the write that another thread is in, and no write follows', async () => {
  const counter = new Int32Array(new SharedArrayBuffer(4));
  const source = `
    const { workerData, parentPort } = require('node:worker_threads');
    import(workerData.module).then(({ GateTable }) => {
      const gate = new GateTable(workerData.memory).at(workerData.key);
      const counter = new Int32Array(workerData.counter);
      const pause = new Int32Array(new SharedArrayBuffer(4));
      parentPort.postMessage('ready');
      // Odd while a write is in progress.
      while (gate.pass(() => { Atomics.add(counter, 0, 1); Atomics.wait(pause, 0, 0, 3); Atomics.add(counter, 0, 1); }));
      parentPort.postMessage('refused');
    });`;
  for (let round = 0; round < 5; round += 1) {
    const gate = gates.open();
    const module = new URL('../../src/transfer/write-gate.ts', import.meta.url).href;
    const workerData = { module, memory: gates.memory, key: gate.key, counter: counter.buffer };
    const worker = new Worker(source, { eval: true, workerData });
    await new Promise((resolve) => worker.once('message', resolve));
    const refused = new Promise((resolve) => worker.once('message', resolve));
    await new Promise((resolve) => setTimeout(resolve, 7 * round));
    await gate.close();
    const after = Atomics.load(counter, 0);
    assert.equal(after % 2, 0, 'closed in the middle of a write');
    await refused;
    assert.equal(Atomics.load(counter, 0), after);
    await worker.terminate();
  }
});

test('who closes a gate learns whether the last write was done, also one that was under way, and nothing follows it', async () => {
  const finished = gates.open();
  const writer = gates.at(finished.key);
  assert.equal(
    writer.finish(() => undefined),
    true,
  );
  assert.equal(
    writer.pass(() => assert.fail('written after the last')),
    false,
  );
  await finished.close();
  // Its word is another gate's now.
  const next = gates.open();
  assert.equal(next.key.slot, finished.key.slot);
  assert.equal(finished.finished, true);

  let closing: Promise<void> | undefined;
  gates.at(next.key).finish(() => {
    closing = next.close();
  });
  await closing;
  assert.equal(next.finished, true, 'closed while it was under way');

  const failed = gates.open();
  assert.throws(() => gates.at(failed.key).finish(() => assert.fail('disk full')), /disk full/);
  assert.equal(failed.closed, false);
  await failed.close();
  assert.equal(failed.finished, false);
  assert.equal(
    gates.at(failed.key).finish(() => assert.fail('written after the end')),
    false,
  );
});

test('whoever holds the key of a closed gate finds it closed, also when its word is used again', async () => {
  const gates = new GateTable();
  const first = gates.open();
  const late = gates.at(first.key);
  await first.close();
  const second = gates.open();
  assert.equal(second.key.slot, first.key.slot);
  assert.equal(late.closed, true);
  assert.equal(
    late.pass(() => assert.fail('written after the end')),
    false,
  );
  await first.close();
  assert.equal(second.closed, false, 'closed by who had closed the first already');
  assert.equal(
    gates.at(second.key).pass(() => undefined),
    true,
  );
});

test('gates that are open at a time have words of their own', async () => {
  const gates = new GateTable();
  const open = Array.from({ length: 100 }, () => gates.open());
  assert.equal(new Set(open.map(({ key }) => key.slot)).size, 100);
  await Promise.all(open.map((gate) => gate.close()));
  assert.ok(gates.open().key.slot < 100);
});

test('closing waits for all writes that are under way, and lets no other begin', async () => {
  const gate = gates.open();
  const inside = gates.at(gate.key);
  assert.equal(inside.enter(), true);
  assert.equal(inside.enter(), true);
  let isClosed = false;
  const closing = gate.close().then(() => (isClosed = true));
  assert.equal(inside.enter(), false);
  inside.leave();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(isClosed, false);
  inside.leave();
  await closing;
  assert.equal(inside.enter(), false);
});

test('who closes a gate does not wait for a thread that has ended in the middle of a write', async () => {
  const gate = gates.open();
  assert.equal(gates.at(gate.key).enter(), true);
  const closing = gate.close();
  gate.abandon();
  await closing;
  const idle = gates.open();
  idle.abandon();
  assert.equal(idle.closed, false);
  const entered = gates.open();
  gates.at(entered.key).enter();
  entered.abandon();
  await entered.close();
  assert.equal(entered.closed, true);
});

test('nobody waits for the gates of a worker that has ended', async () => {
  const answer = (): Promise<unknown> => Promise.reject(new Error('asks nothing'));
  const parts = { log: silentLog, pool: new BufferPool(), gates, answer };
  const thread = new WorkerThread({ name: 'ends', blake3: 'wasm' }, parts);
  thread.openBlob(1, { dir: '/nowhere', sha256: 'none', sizeBytes: 1 });
  const gate = thread.openGate();
  assert.equal(gates.at(gate.key).enter(), true);
  const closing = gate.close();
  assert.equal(await thread.close(), true);
  await closing;
});
