import assert from 'node:assert/strict';
import { appendFileSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { loadBlake3 } from '../../src/content/blake3.ts';
import { manifestCid } from '../../src/content/cid.ts';
import { decodeManifest } from '../../src/content/manifest.ts';
import type { Model } from '../../src/content/model.ts';
import { type PublishProgress, publish } from '../../src/store/publish.ts';
import { INDEX_PATH, manifestPath, parsePublishedIndex } from '../../src/store/published-index.ts';
import { safetensorsHeader } from '../support/make-safetensors.ts';
import { randomBytesOf } from '../support/random-body.ts';
import { never, sha256Of, temporaryFolder } from './store-fixture.ts';

async function write(root: string, path: string, content: Uint8Array | string): Promise<string> {
  const absolute = join(root, path);
  await mkdir(dirname(absolute), { recursive: true });
  await writeFile(absolute, content);
  return absolute;
}

async function indexOf(root: string): Promise<Model[]> {
  return parsePublishedIndex(await readFile(join(root, INDEX_PATH)));
}

async function ids(root: string): Promise<string[]> {
  return (await indexOf(root)).map(({ id }) => id);
}

test('a directory becomes an origin: every model, every manifest under its CID, nothing hidden or linked', async () => {
  await using folder = await temporaryFolder();
  const root = join(folder.path, 'nas');
  const body = randomBytesOf('nas', 900_000);
  await write(root, 'checkpoints/a.ckpt', body);
  await write(root, 'hf/model/config.json', '{}');
  await write(root, 'hf/model/weights.bin', 'weights');
  await write(root, 'x-00001-of-00002.gguf', 'one');
  await write(root, 'notes.txt', 'no model');
  await write(root, '.hidden/b.ckpt', 'hidden');
  await write(folder.path, 'outside.ckpt', 'outside');
  await symlink(join(folder.path, 'outside.ckpt'), join(root, 'link.ckpt'));
  const told: PublishProgress[] = [];
  const result = await publish(root, { hashWorkers: 2, onProgress: (one) => told.push(one) }, never);
  assert.deepEqual(await ids(root), ['checkpoints/a.ckpt', 'hf/model']);
  assert.deepEqual([result.models, result.bytes, result.hashedFiles], [2, 900_000 + 9, 4]);
  assert.equal(told.at(-1)?.bytesDone, told.at(-1)?.bytesTotal);
  const blake3 = await loadBlake3();
  for (const model of await indexOf(root)) {
    for (const { path, sha256, manifest, sizeBytes } of model.files) {
      const bytes = await readFile(join(root, manifestPath(manifest)));
      assert.equal(manifestCid(bytes, blake3), manifest);
      assert.deepEqual([decodeManifest(bytes).sha256, decodeManifest(bytes).sizeBytes], [sha256, sizeBytes]);
      assert.equal(sha256Of(await readFile(join(root, path))), sha256);
    }
  }
});

test('repeated, it hashes only what changed, and takes out what is gone', async () => {
  await using folder = await temporaryFolder();
  const root = folder.path;
  await write(root, 'a.ckpt', 'a');
  const b = await write(root, 'b.ckpt', 'before');
  await write(root, 'c.ckpt', 'c');
  assert.equal((await publish(root, {}, never)).hashedFiles, 3);
  const index = await stat(join(root, INDEX_PATH));
  assert.equal((await publish(root, {}, never)).hashedFiles, 0);
  assert.equal(
    (await stat(join(root, INDEX_PATH))).mtimeMs,
    index.mtimeMs,
    'an index that says the same is left alone',
  );
  const { atime, mtime } = await stat(b);
  await writeFile(b, 'after!');
  await utimes(b, atime, mtime);
  await rm(join(root, 'c.ckpt'));
  assert.equal((await publish(root, {}, never)).hashedFiles, 1);
  assert.deepEqual(await ids(root), ['a.ckpt', 'b.ckpt']);
  assert.equal((await indexOf(root))[1]?.files[0]?.sha256, sha256Of('after!'));
  assert.equal((await readdir(join(root, '.shoal/manifests'))).length, 2);
  assert.deepEqual((await readdir(join(root, '.shoal'))).sort(), ['index.json', 'manifests', 'stamps.json']);
});

test('lost or damaged notes cost a hashing, nothing else', async () => {
  await using folder = await temporaryFolder();
  const root = folder.path;
  await write(root, 'a.ckpt', 'a');
  await publish(root, {}, never);
  await writeFile(join(root, '.shoal/stamps.json'), '{"a.ckpt": {"stamp": 7}, broken');
  assert.equal((await publish(root, {}, never)).hashedFiles, 1);
  await writeFile(join(root, '.shoal/stamps.json'), '{"a.ckpt": {"stamp": 7}}');
  assert.equal((await publish(root, {}, never)).hashedFiles, 1);
  await rm(join(root, '.shoal/manifests'), { recursive: true });
  assert.equal((await publish(root, {}, never)).hashedFiles, 1);
  assert.deepEqual(await ids(root), ['a.ckpt']);
});

test('what is not whole or being written is left out and said, the rest is published', async () => {
  await using folder = await temporaryFolder();
  const root = folder.path;
  await write(root, 'good.ckpt', 'good');
  await write(root, 'hf/config.json', '{}');
  await write(root, 'hf/w.safetensors', safetensorsHeader({ family: 'lora', sizeBytes: 200_000 }));
  await assert.rejects(publish(root, {}, never), {
    code: 'verification-failed',
    message: /everything else is published/,
  });
  assert.deepEqual(await ids(root), ['good.ckpt']);
  await rm(join(root, 'hf'), { recursive: true });
  const growing = await write(root, 'growing.ckpt', '');
  await truncate(growing, 200_000_000);
  const grow = ({ path }: PublishProgress): void => {
    if (path === 'growing.ckpt') appendFileSync(growing, 'more');
  };
  await assert.rejects(publish(root, { onProgress: grow }, never), { code: 'changed', remedy: /shoal publish/ });
  assert.deepEqual(await ids(root), ['good.ckpt']);
});

test('interrupted, it leaves the old index, and does not hash again what it had hashed', async () => {
  await using folder = await temporaryFolder();
  const root = folder.path;
  await write(root, 'a.ckpt', 'a');
  await publish(root, {}, never);
  await write(root, 'b.ckpt', randomBytesOf('b', 100_000));
  const huge = await write(root, 'z.ckpt', '');
  await truncate(huge, 3_000_000_000);
  const controller = new AbortController();
  const onProgress = ({ path }: PublishProgress): void => {
    if (path === 'z.ckpt') controller.abort();
  };
  await assert.rejects(publish(root, { hashWorkers: 1, onProgress }, controller.signal), { name: 'AbortError' });
  assert.deepEqual(await ids(root), ['a.ckpt']);
  await rm(huge);
  assert.equal((await publish(root, {}, never)).hashedFiles, 0);
  assert.deepEqual(await ids(root), ['a.ckpt', 'b.ckpt']);
});

test('a directory that is none is said to be none, and a link to one is followed', async () => {
  await using folder = await temporaryFolder();
  await assert.rejects(publish(join(folder.path, 'none'), {}, never), { code: 'not-found' });
  await assert.rejects(publish(await write(folder.path, 'file', ''), {}, never), { code: 'not-found' });
  await write(folder.path, 'real/a.ckpt', 'a');
  await symlink(join(folder.path, 'real'), join(folder.path, 'link'));
  assert.equal((await publish(join(folder.path, 'link'), {}, never)).models, 1);
});
