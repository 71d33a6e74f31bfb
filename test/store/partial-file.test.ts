import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, openSync, readFileSync, statSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { loadBlake3 } from '../../src/content/blake3.ts';
import { geometryOf, pieceLength, pieceOffset } from '../../src/content/piece-geometry.ts';
import { havePath, openPartial, partialPath, readHave, recheckPartial } from '../../src/store/partial-file.ts';
import { randomBytesOf } from '../support/random-body.ts';
import { manifestFor, temporaryFolder } from './store-fixture.ts';

const body = randomBytesOf('partial', 3 * 1024 * 1024 + 77);
const { manifest } = manifestFor(body);
const { sha256 } = manifest;
const geometry = geometryOf(body.length);
const blake3 = await loadBlake3();

function writePiece(file: ReturnType<typeof openPartial>, index: number): void {
  const at = pieceOffset(geometry, index);
  file.write(body.subarray(at, at + pieceLength(geometry, index)), at);
  file.markHave(index);
}

test('pieces written in any order are logged, and found again after opening anew', async () => {
  await using folder = await temporaryFolder();
  const file = openPartial(folder.path, sha256, body.length);
  for (const index of [12, 3, 0]) writePiece(file, index);
  file.close();
  assert.equal(statSync(partialPath(folder.path, sha256)).size, body.length);
  const again = openPartial(folder.path, sha256, body.length);
  writePiece(again, 5);
  again.close();
  assert.deepEqual([...readHave(folder.path, sha256, geometry.pieceCount).indices()], [0, 3, 5, 12]);
  assert.deepEqual([...recheckPartial(folder.path, manifest, blake3).indices()], [0, 3, 5, 12]);
});

test('a recheck finds pieces that were logged but are not what they should be', async () => {
  await using folder = await temporaryFolder();
  const file = openPartial(folder.path, sha256, body.length);
  for (let index = 0; index < geometry.pieceCount; index += 1) writePiece(file, index);
  file.close();
  const fd = openSync(partialPath(folder.path, sha256), 'r+');
  writeSync(fd, Uint8Array.of((body[geometry.pieceSizeBytes * 4 + 9] ?? 0) ^ 1), 0, 1, geometry.pieceSizeBytes * 4 + 9);
  const sound = recheckPartial(folder.path, manifest, blake3);
  assert.deepEqual([...sound.missing()], [4]);
  truncateSync(partialPath(folder.path, sha256), geometry.pieceSizeBytes * 2 + 5);
  assert.deepEqual([...recheckPartial(folder.path, manifest, blake3).indices()], [0, 1]);
});

test('a torn entry, indices outside the blob and a missing log are no claims', async () => {
  await using folder = await temporaryFolder();
  assert.equal(readHave(folder.path, sha256, geometry.pieceCount).count, 0);
  openPartial(folder.path, sha256, body.length).close();
  appendFileSync(havePath(folder.path, sha256), Uint8Array.of(1, 0, 0, 0, 255, 255, 255, 255, 2, 0));
  assert.deepEqual([...readHave(folder.path, sha256, geometry.pieceCount).indices()], [1]);
  const file = openPartial(folder.path, sha256, body.length);
  writePiece(file, 7);
  file.close();
  assert.deepEqual([...readHave(folder.path, sha256, geometry.pieceCount).indices()], [1, 7]);
  assert.equal(readFileSync(havePath(folder.path, sha256)).length % 4, 0);
});

test('an empty blob has an empty partial that is complete', async () => {
  await using folder = await temporaryFolder();
  const empty = manifestFor(new Uint8Array(0)).manifest;
  openPartial(folder.path, empty.sha256, 0).close();
  assert.ok(recheckPartial(folder.path, empty, blake3).complete);
});

test('after kill -9 in the middle of writing, every piece that the log claims is right', async () => {
  await using folder = await temporaryFolder();
  const script = `
    import { openPartial } from ${JSON.stringify(join(import.meta.dirname, '../../src/store/partial-file.ts'))};
    import { randomBytesOf } from ${JSON.stringify(join(import.meta.dirname, '../support/random-body.ts'))};
    const body = randomBytesOf('partial', ${body.length});
    const file = openPartial(${JSON.stringify(folder.path)}, ${JSON.stringify(sha256)}, body.length);
    console.log('go');
    for (let index = 0; index < ${geometry.pieceCount}; index += 1) {
      const at = index * ${geometry.pieceSizeBytes};
      for (let from = at; from < Math.min(at + ${geometry.pieceSizeBytes}, body.length); from += 4096)
        file.write(body.subarray(from, Math.min(from + 4096, at + ${geometry.pieceSizeBytes})), from);
      file.markHave(index);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3);
    }`;
  for (const afterMs of [5, 15, 25]) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    await delay(afterMs);
    child.kill('SIGKILL');
    await once(child, 'exit');
    const claimed = readHave(folder.path, sha256, geometry.pieceCount);
    assert.deepEqual([...recheckPartial(folder.path, manifest, blake3).indices()], [...claimed.indices()]);
  }
});
