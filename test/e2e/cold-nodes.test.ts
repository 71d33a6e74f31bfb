import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeGguf } from '../support/make-gguf.ts';
import { digestsIn, TestBed } from '../support/test-bed.ts';

const ID = 'llm/cold.gguf';
const SIZE = 32 << 20;

test('four nodes that are told to fetch the same file at once cost the NAS about one copy', {
  timeout: 120_000,
}, async (t) => {
  const bed = await TestBed.open({ context: t });
  const nas = await bed.makeDirectory('nas');
  const made = await makeGguf(join(nas, ID), { seed: 'cold', sizeBytes: SIZE });
  await bed.publish(nas);
  const origin = await bed.origin(nas);
  origin.misbehave({ kind: 'slow', bytesPerSecond: 2 << 20 });
  const nodes = [];
  for (const name of ['a', 'b', 'c', 'd']) nodes.push(await bed.daemon(name, { origins: [origin.url] }));
  await bed.acquainted();
  await Promise.all(nodes.map((node) => node.want(ID)));
  await Promise.all(nodes.map((node) => node.waitForModel(ID, 'installed', 90_000)));
  for (const node of nodes) assert.deepEqual(await digestsIn(node.modelsDir), { [ID]: made.sha256 });
  const copies = origin.totalSent(/cold/) / SIZE;
  t.diagnostic(`copies ${copies.toFixed(3)}`);
  assert.ok(copies <= 1.1, `the origin sent ${copies.toFixed(3)} copies`);
});
