import assert from 'node:assert/strict';
import { appendFile, readFile, stat, truncate } from 'node:fs/promises';
import { test } from 'node:test';
import { RunLog, runLogPath } from '../../src/store/run-log.ts';
import { TestFolder } from '../transfer/support/blob.ts';

const DRAFT = 'ab'.repeat(32);

function runOf(byte: number): Uint8Array {
  return new Uint8Array(100).fill(byte);
}

async function bytesOf(log: RunLog): Promise<number[]> {
  return (await log.read()).map((run) => run[0] ?? 0);
}

test('runs come back as they were appended, also after one that was cut off', async () => {
  await using folder = await TestFolder.make();
  const options = { dir: folder.path, draft: DRAFT };
  const path = runLogPath(folder.path, DRAFT);
  const first = new RunLog(options);
  assert.deepEqual(await first.read(), []);
  for (const byte of [1, 2, 3]) await first.append(runOf(byte));
  for (const left of [3, 4, 60]) {
    await truncate(path, 2 * 104 + left);
    const again = new RunLog(options);
    assert.deepEqual(await bytesOf(again), [1, 2], `${left} bytes of the third are left`);
    assert.equal((await stat(path)).size, 2 * 104);
    await again.append(runOf(9));
    assert.deepEqual(await bytesOf(new RunLog(options)), [1, 2, 9]);
  }
  // A loss of power leaves zeros.
  await appendFile(path, new Uint8Array(500));
  assert.deepEqual(await bytesOf(new RunLog(options)), [1, 2, 9]);
});

test('when it is closed all is written, and what comes later is not', async () => {
  await using folder = await TestFolder.make();
  const log = new RunLog({ dir: folder.path, draft: DRAFT });
  for (const byte of [1, 2, 3]) void log.append(runOf(byte));
  await log.close();
  assert.equal((await readFile(runLogPath(folder.path, DRAFT))).length, 3 * 104);
  await log.append(runOf(4));
  assert.deepEqual(await bytesOf(log), [1, 2, 3]);
});
