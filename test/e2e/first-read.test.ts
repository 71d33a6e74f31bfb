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
const SIZE = 32 * MIB;
const RATE = ['--origin-limit', '8MiB'];
/** News between nodes take their time where many tests share a machine: so much may be read beside the reader. */
const BESIDE = (SIZE * 3) / 8;

async function received(node: DaemonProcess, source: 'peer' | 'origin'): Promise<number> {
  return await node.metric('shoal_received_bytes_total', { source });
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
  await bed.acquainted();
  await Promise.all(nodes.map((node) => node.want(ID)));

  let reader: DaemonProcess | undefined;
  await eventually(
    'one of them has read a third',
    async () => {
      const read = await Promise.all(nodes.map((node) => received(node, 'origin')));
      reader = nodes[read.findIndex((bytes) => bytes > SIZE / 3)];
      return reader !== undefined;
    },
    { timeoutMs: 60_000 },
  );
  assert.ok(reader !== undefined);
  const others = nodes.filter((node) => node !== reader);
  const readByOthers = async (): Promise<number[]> => {
    const read = await Promise.all(others.map((node) => received(node, 'origin')));
    return read.sort((one, other) => other - one);
  };
  const [readEarlier = 0] = await readByOthers();
  assert.ok(readEarlier <= BESIDE, `${readEarlier} bytes were read beside the reader`);
  const heldBytes = Math.max(...(await Promise.all(others.map((node) => received(node, 'peer')))));
  await reader.kill();
  await Promise.all(others.map((node) => node.waitForModel(ID, 'installed', 90_000)));
  for (const node of others) assert.deepEqual(await digestsIn(node.modelsDir), { [ID]: made.sha256 });
  // One of them reads what had not come out of the reader, and the others only what they check.
  const [most = 0, ...rest] = await readByOthers();
  t.diagnostic(
    `held ${heldBytes / MIB}, then read ${[most, ...rest].map((bytes) => (bytes / MIB).toFixed(1)).join(' ')} MiB`,
  );
  assert.ok(most <= SIZE - heldBytes + BESIDE, `${most} bytes were read again`);
  for (const bytes of rest) assert.ok(bytes <= BESIDE, `${bytes} bytes were read beside the reader`);

  // By now it has a name: the one that was killed gets the rest of it from the others, and only that.
  await reader.start();
  await reader.waitForModel(ID, 'installed', 90_000);
  assert.deepEqual(await digestsIn(reader.modelsDir), { [ID]: made.sha256 });
  const fetched = (await received(reader, 'peer')) + (await received(reader, 'origin'));
  assert.ok(fetched <= (SIZE * 3) / 4, `${fetched} bytes were fetched after the restart`);
});
