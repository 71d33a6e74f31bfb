import assert from 'node:assert/strict';
import { lstatSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Database } from '../../src/store/database.ts';
import { stampOf } from '../../src/store/file-stamp.ts';
import { encodeFile, type StoredFile } from '../../src/store/known-file.ts';
import { manifestFor, sha256Of, TestStore, temporaryFolder } from './store-fixture.ts';

const MODELS = 10_000;

test('10,000 known models are there in less than 5 s, without reading any of them', async (context) => {
  await using folder = await temporaryFolder({ inMemory: true });
  const stored: { type: 'put'; key: string; value: StoredFile }[] = [];
  for (let n = 0; n < MODELS; n += 1) {
    const path = `loras/set-${n % 100}/style-${n}.ckpt`;
    const absolute = join(folder.path, 'models', path);
    if (n < 100) mkdirSync(join(absolute, '..'), { recursive: true });
    writeFileSync(absolute, `${n}`);
    const stamp = stampOf(lstatSync(absolute, { bigint: true }));
    const manifest = n === 0 ? manifestFor(Buffer.from('0')).cid : `m${n}`;
    stored.push({ type: 'put', key: path, value: encodeFile({ stamp, sha256: sha256Of(`${n}`), manifest }) });
  }
  {
    await using database = await Database.open(join(folder.path, 'data'));
    await database.json<StoredFile>('files').batch(stored);
  }
  const startMs = performance.now();
  await using made = await TestStore.start({ root: folder.path });
  assert.equal(made.ids().length, MODELS);
  const ms = performance.now() - startMs;
  context.diagnostic(`${MODELS} models after ${Math.round(ms)} ms`);
  assert.equal(await made.hashedBytes(), 0);
  assert.ok(ms < 5_000, `${Math.round(ms)} ms`);
  const scanMs = performance.now();
  await made.store.scanner.rescan();
  context.diagnostic(`scan of the same ${Math.round(performance.now() - scanMs)} ms`);
});
