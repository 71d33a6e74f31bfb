import assert from 'node:assert/strict';
import { lstat, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { stampOf } from '../../src/store/file-stamp.ts';
import { sha256Of, TestStore, temporaryFolder } from './store-fixture.ts';

const MODELS = 10_000;

test('10,000 known models start in less than 5 seconds, without a byte hashed, and take little memory', async (context) => {
  await using folder = await temporaryFolder();
  const models = join(folder.path, 'models');
  for (let at = 0; at < 100; at += 1) await mkdir(join(models, `folder-${at}`), { recursive: true });
  for (let from = 0; from < MODELS; from += 500) {
    const batch = Array.from({ length: 500 }, (_, n) => from + n);
    await Promise.all(batch.map((n) => writeFile(join(models, `folder-${n % 100}/model-${n}.ckpt`), `weights ${n}`)));
  }
  {
    // What hashing all of them would leave behind; hashing itself has its own tests.
    await using made = await TestStore.open({ root: folder.path });
    const writes = Array.from({ length: MODELS }, async (_, n) => {
      const path = `folder-${n % 100}/model-${n}.ckpt`;
      const stamp = stampOf(await lstat(join(models, path), { bigint: true }));
      const metadata = { format: 'safetensors', architecture: 'stable-diffusion-xl-v1-base', family: 'sdxl' } as const;
      await made.store.catalog.putFile(path, {
        stamp,
        sha256: sha256Of(`${n}`),
        manifest: `manifest of ${n}`,
        metadata,
      });
    });
    await Promise.all(writes);
  }
  globalThis.gc?.();
  const heapBefore = process.memoryUsage().heapUsed;
  const startMs = performance.now();
  await using made = await TestStore.start({ root: folder.path, settleMs: 0 });
  const ms = performance.now() - startMs;
  assert.equal(made.store.catalog.models().length, MODELS);
  assert.equal(await made.hashedBytes(), 0);
  assert.ok(ms < 5_000, `${ms} ms`);
  assert.ok(made.changes.length < 200, `${made.changes.length} changes told`);
  globalThis.gc?.();
  const heapBytes = process.memoryUsage().heapUsed - heapBefore;
  context.diagnostic(`started in ${Math.round(ms)} ms, heap +${Math.round(heapBytes / 2 ** 20)} MiB`);
  assert.ok(heapBytes < 64 * 2 ** 20, `${heapBytes} bytes`);
});
