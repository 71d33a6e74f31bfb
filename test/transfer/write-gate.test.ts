import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { WriteGate } from '../../src/transfer/write-gate.ts';

test('an open gate lets writes pass, also after one that failed; a closed one lets none', async () => {
  const gate = new WriteGate();
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
    import(workerData.module).then(({ WriteGate }) => {
      const gate = new WriteGate(workerData.memory);
      const counter = new Int32Array(workerData.counter);
      const pause = new Int32Array(new SharedArrayBuffer(4));
      parentPort.postMessage('ready');
      // Odd while a write is in progress.
      while (gate.pass(() => { Atomics.add(counter, 0, 1); Atomics.wait(pause, 0, 0, 3); Atomics.add(counter, 0, 1); }));
      parentPort.postMessage('refused');
    });`;
  for (let round = 0; round < 5; round += 1) {
    const gate = new WriteGate();
    const module = new URL('../../src/transfer/write-gate.ts', import.meta.url).href;
    const workerData = { module, memory: gate.memory, counter: counter.buffer };
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
