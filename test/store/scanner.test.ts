import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFile, mkdir, rename, rm, stat, symlink, truncate, unlink, utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { Scanner } from '../../src/store/scanner.ts';
import { systemClock } from '../../src/util/clock.ts';
import { silentLog } from '../../src/util/log.ts';
import { safetensorsHeader } from '../support/make-safetensors.ts';
import { delay, eventually } from '../support/wait.ts';
import { sha256Of, TestStore, temporaryFolder } from './store-fixture.ts';

test('a new file is hashed when it has settled, and is a model then', async () => {
  await using folder = await temporaryFolder();
  await using made = await TestStore.start({ root: folder.path });
  await made.write('loras/style.ckpt', 'weights');
  await made.seesModels('loras/style.ckpt');
  const model = made.store.catalog.findModel('style');
  assert.equal(model?.digest, `sha256:${sha256Of('weights')}`);
  const located = made.store.catalog.locateBlob(sha256Of('weights'));
  assert.equal(located?.relativePath, 'loras/style.ckpt');
  assert.ok((await made.store.catalog.manifestOf(sha256Of('weights'))) !== undefined);
});

test('a file that is still being written is left alone until it settles', async () => {
  await using folder = await temporaryFolder();
  await using made = await TestStore.start({ root: folder.path, settleMs: 250 });
  const path = await made.write('a.ckpt', 'first');
  for (let n = 0; n < 12; n += 1) {
    await delay(50);
    await appendFile(path, 'more');
    assert.deepEqual(made.ids(), []);
  }
  assert.equal(await made.hashedBytes(), 0);
  await made.seesModels('a.ckpt');
  assert.equal(await made.hashedBytes(), (await stat(path)).size);
});

test('an edit is withdrawn at once and reported again with its new digest, also with its time put back', async () => {
  await using folder = await temporaryFolder();
  await using made = await TestStore.start({ root: folder.path, settleMs: 300 });
  const path = await made.write('a.ckpt', 'before');
  await made.seesModels('a.ckpt');
  const { atime, mtime } = await stat(path);
  await writeFile(path, 'after!');
  await utimes(path, atime, mtime);
  await made.seesModels();
  assert.equal(made.store.catalog.locateBlob(sha256Of('before')), undefined);
  await made.seesModels('a.ckpt');
  assert.equal(made.store.catalog.findModel('a.ckpt')?.files[0]?.sha256, sha256Of('after!'));
});

test('a file that is cut short or replaced is withdrawn and hashed again', async () => {
  await using folder = await temporaryFolder();
  await using made = await TestStore.start({ root: folder.path, settleMs: 200 });
  const cut = await made.write('cut.ckpt', 'some bytes');
  const replaced = await made.write('replaced.ckpt', 'old');
  await made.seesModels('cut.ckpt', 'replaced.ckpt');
  await truncate(cut, 4);
  await writeFile(`${folder.path}/new`, 'new');
  await rename(`${folder.path}/new`, replaced);
  await made.seesModels();
  await made.seesModels('cut.ckpt', 'replaced.ckpt');
  assert.equal(made.store.catalog.fileAt('cut.ckpt')?.sha256, sha256Of('some'));
  assert.equal(made.store.catalog.fileAt('replaced.ckpt')?.sha256, sha256Of('new'));
});

test('what is unchanged is not hashed again after a restart', async () => {
  await using folder = await temporaryFolder();
  {
    await using made = await TestStore.start({ root: folder.path });
    await made.write('m/config.json', '{}');
    await made.write('m/unet/model.safetensors.ckpt', 'unet');
    await made.write('b.ckpt', 'b');
    await made.write('edited.ckpt', 'before');
    await made.seesModels('b.ckpt', 'edited.ckpt', 'm');
  }
  await writeFile(join(folder.path, 'models/edited.ckpt'), 'after');
  await using made = await TestStore.start({ root: folder.path });
  await made.seesModels('b.ckpt', 'edited.ckpt', 'm');
  assert.equal(await made.hashedBytes(), 'after'.length);
});

test('a directory model is never reported in part while a start looks at its files', async () => {
  await using folder = await temporaryFolder();
  {
    await using made = await TestStore.start({ root: folder.path });
    for (let n = 0; n < 30; n += 1) await made.write(`m/part-${n}/w.ckpt`, `w${n}`);
    await made.write('m/z/deep/w.ckpt', 'deep');
    await made.write('m/model_index.json', '{}');
    await made.atRest();
    await made.seesModels('m');
  }
  await using made = await TestStore.open({ root: folder.path });
  made.run();
  await made.seesModels('m');
  const seen = made.changes.flatMap(({ added }) => added.map(({ id, files }) => `${id} ${files.length}`));
  assert.deepEqual(seen, ['m 32']);
});

test('deletion by hand is seen at once, of a file, of a folder, and of a tree of folders', async () => {
  await using folder = await temporaryFolder();
  await using made = await TestStore.start({ root: folder.path });
  await made.write('a.ckpt', 'a');
  await made.write('loras/b.ckpt', 'b');
  await made.write('deep/er/c.ckpt', 'c');
  await made.write('deep/er/still/d.ckpt', 'd');
  await made.seesModels('a.ckpt', 'deep/er/c.ckpt', 'deep/er/still/d.ckpt', 'loras/b.ckpt');
  const startMs = performance.now();
  await unlink(join(made.modelsDir, 'a.ckpt'));
  await rm(join(made.modelsDir, 'loras'), { recursive: true });
  await rm(join(made.modelsDir, 'deep'), { recursive: true });
  await made.seesModels();
  // Not with the next rescan, which is minutes away.
  assert.ok(performance.now() - startMs < 10_000);
  await eventually('nothing is thought to be pending', () => made.store.catalog.unverified().size === 0);
});

test('folders that are renamed, swapped, or made again under their name are followed', async () => {
  await using folder = await temporaryFolder();
  await using made = await TestStore.start({ root: folder.path });
  await made.write('one/a.ckpt', 'a');
  await made.write('two/b.ckpt', 'b');
  await made.seesModels('one/a.ckpt', 'two/b.ckpt');
  const at = (name: string): string => join(made.modelsDir, name);
  await rename(at('one'), at('spare'));
  await rename(at('two'), at('one'));
  await made.seesModels('one/b.ckpt', 'spare/a.ckpt');
  await rm(at('one'), { recursive: true });
  await made.write('one/c.ckpt', 'c');
  await made.seesModels('one/c.ckpt', 'spare/a.ckpt');
  await made.write('one/later.ckpt', 'later');
  await made.seesModels('one/c.ckpt', 'one/later.ckpt', 'spare/a.ckpt');
  const hashed = await made.hashedBytes();
  await unlink(at('one/later.ckpt'));
  await made.seesModels('one/c.ckpt', 'spare/a.ckpt');
  assert.equal(await made.hashedBytes(), hashed);
});

test('hidden files, our own folder, links, pipes, sockets and odd names are never catalogued', async () => {
  await using folder = await temporaryFolder();
  const outside = join(folder.path, 'outside');
  await mkdir(outside);
  await writeFile(join(outside, 'secret.ckpt'), 'secret');
  await using made = await TestStore.start({ root: folder.path });
  await made.write('.hidden.ckpt', 'h');
  await made.write('.cache/x.gguf', 'h');
  await made.write('.shoal/y.ckpt', 'h');
  await made.write('sub/.shoal/z.ckpt', 'h');
  await made.write('line\nbreak.ckpt', 'h');
  await made.write('back\\slash.ckpt', 'h');
  await writeFile(
    Buffer.concat([Buffer.from(`${made.modelsDir}/bad-`), Buffer.from([0xff, 0xfe]), Buffer.from('.ckpt')]),
    'h',
  );
  await symlink(join(outside, 'secret.ckpt'), join(made.modelsDir, 'link.ckpt'));
  await symlink(outside, join(made.modelsDir, 'folder'));
  await symlink(made.modelsDir, join(made.modelsDir, 'loop'));
  execFileSync('mkfifo', [join(made.modelsDir, 'pipe.ckpt')]);
  const server = createServer().listen(join(made.modelsDir, 'socket.ckpt'));
  await made.write('real.ckpt', 'real');
  await made.seesModels('real.ckpt');
  await made.store.scanner.rescan();
  await made.atRest();
  assert.deepEqual(made.ids(), ['real.ckpt']);
  assert.equal(await made.hashedBytes(), 'real'.length);
  server.close();
});

test('a file replaced by a link, a pipe or a folder is withdrawn', async () => {
  await using folder = await temporaryFolder();
  await using made = await TestStore.start({ root: folder.path });
  for (const name of ['link', 'pipe', 'folder']) await made.write(`${name}.ckpt`, name);
  await made.seesModels('folder.ckpt', 'link.ckpt', 'pipe.ckpt');
  const at = (name: string): string => join(made.modelsDir, name);
  await rename(at('link.ckpt'), join(folder.path, 'moved'));
  await symlink(join(folder.path, 'moved'), at('link.ckpt'));
  await unlink(at('pipe.ckpt'));
  execFileSync('mkfifo', [at('pipe.ckpt')]);
  await unlink(at('folder.ckpt'));
  await mkdir(at('folder.ckpt'));
  await made.seesModels();
});

test('files that belong to no model are not read, until a mark makes their folder one', async () => {
  await using folder = await temporaryFolder();
  await using made = await TestStore.start({ root: folder.path });
  await made.write('bundle/tokenizer.txt', 'tokens');
  await made.write('archive.zip', 'zip');
  await made.write('bundle/w.ckpt', 'w');
  await made.seesModels('bundle/w.ckpt');
  assert.equal(await made.hashedBytes(), 1);
  await made.write('bundle/config.json', '{}');
  await made.seesModels('bundle');
  assert.equal(made.store.catalog.findModel('bundle')?.files.length, 3);
  await unlink(join(made.modelsDir, 'bundle/config.json'));
  await made.seesModels('bundle/w.ckpt');
});

test('a directory model of which one file is edited leaves and comes back with another digest', async () => {
  await using folder = await temporaryFolder();
  await using made = await TestStore.start({ root: folder.path, settleMs: 200 });
  await made.write('m/config.json', '{}');
  await made.write('m/w.ckpt', 'w');
  await made.seesModels('m');
  const before = made.store.catalog.findModel('m')?.digest;
  await writeFile(join(made.modelsDir, 'm/w.ckpt'), 'W');
  await made.seesModels();
  await made.seesModels('m');
  assert.notEqual(made.store.catalog.findModel('m')?.digest, before);
});

test('shards that arrive one after the other are a model when the last is here', async () => {
  await using folder = await temporaryFolder();
  await using made = await TestStore.start({ root: folder.path });
  for (const n of [3, 1]) {
    await made.write(`x-0000${n}-of-00003.gguf`, `shard ${n}`);
    await eventually('shard is hashed', () => made.store.catalog.fileAt(`x-0000${n}-of-00003.gguf`) !== undefined);
    made.store.catalog.refresh();
    assert.deepEqual(made.ids(), []);
  }
  await made.write('x-00002-of-00003.gguf', 'shard 2');
  await made.seesModels('x.gguf');
  assert.equal(made.changes.flatMap(({ added }) => added).length, 1);
});

test('a safetensors file that breaks off is refused and read once only, until it is whole', async () => {
  await using folder = await temporaryFolder();
  await using made = await TestStore.start({ root: folder.path });
  const sizeBytes = 200_000;
  const header = safetensorsHeader({ family: 'lora', sizeBytes });
  const path = await made.write('l.safetensors', Buffer.concat([header, Buffer.alloc(50_000)]));
  await eventually('it is refused', () => made.store.catalog.unverified().get('l.safetensors') === 'corrupt');
  const hashed = await made.hashedBytes();
  await delay(200);
  await made.store.scanner.rescan();
  await delay(100);
  assert.equal(await made.hashedBytes(), hashed);
  assert.deepEqual(made.ids(), []);
  await writeFile(path, Buffer.concat([header, Buffer.alloc(sizeBytes - header.length)]));
  await made.seesModels('l.safetensors');
});

test('a models directory that is away for a while is not hashed again when it is back', async () => {
  await using folder = await temporaryFolder();
  await using made = await TestStore.start({ root: folder.path });
  await made.write('a.ckpt', 'a');
  await made.write('m/b.ckpt', 'b');
  await made.seesModels('a.ckpt', 'm/b.ckpt');
  await rename(made.modelsDir, join(folder.path, 'away'));
  await made.store.scanner.rescan();
  await made.seesModels();
  await rename(join(folder.path, 'away'), made.modelsDir);
  await made.store.scanner.rescan();
  await made.seesModels('a.ckpt', 'm/b.ckpt');
  assert.equal(await made.hashedBytes(), 2);
});

test('where watching is not possible a scan sees the changes, and somebody is told', async () => {
  await using folder = await temporaryFolder();
  await using made = await TestStore.open({ root: folder.path });
  const { catalog, claims, hasher } = made.store;
  const outOfWatches = (): never => {
    throw Object.assign(new Error('no watches left'), { code: 'ENOSPC' });
  };
  const scanner = new Scanner(
    { modelsDir: made.modelsDir, settleMs: 20, rescanMs: 80 },
    { catalog, claims, hasher, clock: systemClock, log: silentLog, watch: outOfWatches },
  );
  const controller = new AbortController();
  const running = scanner.run(controller.signal).catch(() => undefined);
  await scanner.firstScan;
  await made.write('sub/a.ckpt', 'a');
  await made.seesModels('sub/a.ckpt');
  assert.match(scanner.watching.problem ?? '', /\w/);
  controller.abort();
  await running;
  await scanner[Symbol.asyncDispose]();
});

test('suspicion withdraws before the call returns, and a false one costs no hashing', async () => {
  await using folder = await temporaryFolder();
  await using made = await TestStore.start({ root: folder.path });
  await made.write('a.ckpt', 'a');
  await made.seesModels('a.ckpt');
  made.store.scanner.suspect('a.ckpt');
  assert.deepEqual(made.ids(), []);
  assert.equal(made.store.catalog.locateBlob(sha256Of('a')), undefined);
  assert.deepEqual(made.changes.at(-1)?.removed, ['a.ckpt']);
  await made.seesModels('a.ckpt');
  assert.equal(await made.hashedBytes(), 1);
});

test('a rescan that is waited for when the end comes does not wait for ever', async () => {
  await using folder = await temporaryFolder();
  const made = await TestStore.start({ root: folder.path });
  const rescans = [made.store.scanner.rescan(), made.store.scanner.rescan()];
  await made[Symbol.asyncDispose]();
  await Promise.all(rescans);
});
