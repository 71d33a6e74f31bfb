import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { DaemonProcess } from '../support/daemon-process.ts';
import { makeGguf } from '../support/make-gguf.ts';
import { digestsIn, TestBed } from '../support/test-bed.ts';
import { eventually } from '../support/wait.ts';

const ID = 'llm/first.gguf';
const MIB = 1 << 20;
const SIZE = 64 * MIB;
const RATE = ['--origin-limit', '16MiB'];

async function readFromOrigin(node: DaemonProcess): Promise<number> {
  return await node.metric('shoal_received_bytes_total', { source: 'origin' });
}

test('nodes read an unpublished file about once, also when the one that reads it is killed in the middle', {
  timeout: 180_000,
}, async (t) => {
  const bed = await TestBed.open({ context: t });
  const nas = await bed.makeDirectory('nas');
  const made = await makeGguf(join(nas, ID), { seed: 'first', sizeBytes: SIZE });
  const options = { origins: [pathToFileURL(nas).href], args: RATE };
  const nodes: DaemonProcess[] = [];
  for (const name of ['a', 'b', 'c', 'd']) nodes.push(await bed.daemon(name, options));
  await Promise.all(nodes.map((node) => node.want(ID)));

  let reader: DaemonProcess | undefined;
  let readBefore = 0;
  await eventually(
    'one of them has read a third',
    async () => {
      for (const node of nodes) {
        readBefore = await readFromOrigin(node);
        if (readBefore > SIZE / 3) reader = node;
        if (reader !== undefined) return true;
      }
      return false;
    },
    { timeoutMs: 60_000 },
  );
  assert.ok(reader !== undefined);
  await reader.kill();
  const others = nodes.filter((node) => node !== reader);
  await Promise.all(others.map((node) => node.waitForModel(ID, 'installed', 90_000)));
  for (const node of others) assert.deepEqual(await digestsIn(node.modelsDir), { [ID]: made.sha256 });
  const read = await Promise.all(others.map(readFromOrigin));
  const copies = (readBefore + read.reduce((sum, bytes) => sum + bytes, 0)) / SIZE;
  t.diagnostic(
    `copies ${copies.toFixed(3)}, by the others ${read.map((bytes) => (bytes / MIB).toFixed(1)).join(' ')} MiB`,
  );
  assert.ok(copies <= 1.25, `the origin gave ${copies.toFixed(3)} copies`);

  // By now it has a name: the one that was killed gets the rest of it from the others.
  await reader.start();
  await reader.waitForModel(ID, 'installed', 90_000);
  assert.deepEqual(await digestsIn(reader.modelsDir), { [ID]: made.sha256 });
});
