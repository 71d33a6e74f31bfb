import assert from 'node:assert/strict';
import { appendFileSync } from 'node:fs';
import { mkdir, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { decodeManifest } from '../../src/content/manifest.ts';
import { Hasher } from '../../src/store/hasher.ts';
import { silentLog } from '../../src/util/log.ts';
import { Metrics } from '../../src/util/metrics.ts';
import { makeGguf } from '../support/make-gguf.ts';
import { makeSafetensors } from '../support/make-safetensors.ts';
import { randomBytesOf } from '../support/random-body.ts';
import { eventually } from '../support/wait.ts';
import { manifestFor, never, temporaryFolder } from './store-fixture.ts';

const MIB = 1024 * 1024;

function makeHasher(workers = 1): { hasher: Hasher; metrics: Metrics } & AsyncDisposable {
  const metrics = new Metrics();
  const hasher = new Hasher({ workers }, { log: silentLog, metrics });
  return { hasher, metrics, [Symbol.asyncDispose]: () => hasher[Symbol.asyncDispose]() };
}

test('both digests and the manifest are those of the bytes, for every shape of file', async () => {
  await using folder = await temporaryFolder();
  await using made = makeHasher(2);
  const { hasher } = made;
  const sizes = [0, 1, 256 * 1024 - 1, 256 * 1024, 256 * 1024 + 1, 2 * MIB, 2 * MIB + 1, 5 * MIB + 12_345];
  await Promise.all(
    sizes.map(async (size) => {
      const bytes = randomBytesOf(`file ${size}`, size);
      const path = join(folder.path, `${size}.bin`);
      await writeFile(path, bytes);
      let told = 0;
      const hashed = await hasher.hashFile(path, never, (some) => {
        told += some;
      });
      const expected = manifestFor(bytes);
      assert.equal(hashed.sha256, expected.manifest.sha256);
      assert.equal(hashed.manifestCid, expected.cid);
      assert.deepEqual(decodeManifest(hashed.manifestBytes), expected.manifest);
      assert.equal(hashed.stamp.sizeBytes, size);
      assert.equal(told, size);
    }),
  );
});

test('the header of a model file is described, and one that breaks off is refused without reading the rest', async () => {
  await using folder = await temporaryFolder();
  await using made = makeHasher();
  const { hasher, metrics } = made;
  const safetensors = join(folder.path, 'c.safetensors');
  const gguf = join(folder.path, 'q.gguf');
  await makeSafetensors(safetensors, { family: 'sdxl', sizeBytes: 8 * MIB, seed: 'c' });
  await makeGguf(gguf, { sizeBytes: 4 * MIB, seed: 'q' });
  assert.equal((await hasher.hashFile(safetensors, never)).metadata?.family, 'sdxl');
  assert.equal((await hasher.hashFile(gguf, never)).metadata?.format, 'gguf');
  assert.equal((await hasher.describe(gguf, 'other.txt', never)) ?? 'nothing', 'nothing');
  const before = await metrics.text();
  await truncate(safetensors, 7 * MIB);
  await assert.rejects(hasher.hashFile(safetensors, never), { code: 'verification-failed' });
  await truncate(safetensors, 200);
  await assert.rejects(hasher.hashFile(safetensors, never), { code: 'verification-failed' });
  assert.equal(await metrics.text(), before);
});

test('a file that is written while it is hashed is not taken for hashed', async () => {
  await using folder = await temporaryFolder();
  await using made = makeHasher();
  const { hasher } = made;
  const path = join(folder.path, 'a.bin');
  await writeFile(path, '');
  await truncate(path, 192 * MIB);
  // The first word of progress comes after 64 MiB.
  const hashing = hasher.hashFile(path, never, () => appendFileSync(path, 'more'));
  await assert.rejects(hashing, { code: 'changed' });
});

test('links, folders, pipes and missing files are not hashed', async () => {
  await using folder = await temporaryFolder();
  await using made = makeHasher();
  const { hasher } = made;
  await mkdir(join(folder.path, 'real'));
  await writeFile(join(folder.path, 'real/a.bin'), 'a');
  await symlink(join(folder.path, 'real/a.bin'), join(folder.path, 'link.bin'));
  await symlink(join(folder.path, 'real'), join(folder.path, 'folder'));
  for (const name of ['link.bin', 'folder/a.bin', 'real', 'none.bin']) {
    await assert.rejects(hasher.hashFile(join(folder.path, name), never), { code: 'not-found' }, name);
  }
  assert.equal((await hasher.hashFile(join(folder.path, 'real/a.bin'), never)).stamp.sizeBytes, 1);
});

test('what is not wanted any more stops, and what waits goes on', async () => {
  await using folder = await temporaryFolder();
  await using made = makeHasher();
  const { hasher, metrics } = made;
  const big = join(folder.path, 'big.bin');
  const small = join(folder.path, 'small.bin');
  await writeFile(big, '');
  await truncate(big, 4 * 1024 * MIB); // sparse: seconds of hashing
  await writeFile(small, 'small');
  const controller = new AbortController();
  const hashing = hasher.hashFile(big, controller.signal);
  const alsoGone = hasher.hashFile(big, controller.signal);
  const waiting = hasher.hashFile(small, never);
  hashing.catch(() => undefined);
  alsoGone.catch(() => undefined);
  await eventually('it has begun', async () => /shoal_hashed_bytes_total [1-9]/.test(await metrics.text()), {
    everyMs: 5,
  });
  const described = hasher.describe(small, 'small.gguf', never);
  await described; // not behind the big one
  const startMs = performance.now();
  controller.abort();
  await assert.rejects(hashing, { name: 'AbortError' });
  await assert.rejects(alsoGone, { name: 'AbortError' });
  assert.equal((await waiting).stamp.sizeBytes, 5);
  assert.ok(performance.now() - startMs < 2_000);
});

test('hashing a large file takes no memory of its size', async () => {
  await using folder = await temporaryFolder();
  await using made = makeHasher();
  const { hasher } = made;
  const path = join(folder.path, 'big.bin');
  await writeFile(path, '');
  await truncate(path, 320 * MIB);
  const before = process.memoryUsage.rss();
  let most = 0;
  await hasher.hashFile(path, never, () => {
    most = Math.max(most, process.memoryUsage.rss() - before);
  });
  assert.ok(most < 96 * MIB, `${Math.round(most / MIB)} MiB more`);
});
