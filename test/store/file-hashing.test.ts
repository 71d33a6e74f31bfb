import assert from 'node:assert/strict';
import { lstat } from 'node:fs/promises';
import { test } from 'node:test';
import { FileHashing } from '../../src/store/file-hashing.ts';
import { stampOf } from '../../src/store/file-stamp.ts';
import { systemClock } from '../../src/util/clock.ts';
import { silentLog } from '../../src/util/log.ts';
import { eventually } from '../support/wait.ts';
import { never, TestStore, temporaryFolder } from './store-fixture.ts';

test('the next file begins when one ends, without waiting for anybody to look', async () => {
  await using folder = await temporaryFolder();
  await using made = await TestStore.open({ root: folder.path });
  const { catalog, hasher } = made.store;
  const ended: string[] = [];
  const hashing = new FileHashing(
    { modelsDir: made.modelsDir, settleMs: 0 },
    { catalog, hasher, clock: systemClock, log: silentLog, onEnd: (path) => ended.push(path) },
  );
  const paths = Array.from({ length: 20 }, (_, index) => `m${index}.ckpt`);
  for (const path of paths) {
    const absolute = await made.write(path, path);
    hashing.settle(path, stampOf(await lstat(absolute, { bigint: true })));
  }
  hashing.start(never);
  await eventually('all are hashed', () => hashing.pending === 0, { everyMs: 5 });
  assert.deepEqual(ended.toSorted(), paths.toSorted());
  for (const path of paths) assert.ok(catalog.fileAt(path) !== undefined, path);
});
