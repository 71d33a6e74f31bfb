import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { DiskSpace } from '../../src/store/space.ts';
import { ShoalError } from '../../src/util/errors.ts';
import { mountSmallDisk, needsMount } from '../support/mounts.ts';
import { TestStore, temporaryFolder } from './store-fixture.ts';

const MIB = 2 ** 20;

async function refusal(promise: Promise<unknown>): Promise<ShoalError> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof ShoalError);
    return error;
  }
  throw new Error('it was promised');
}

test('a budget counts what is installed, what is on its way and what is promised', async () => {
  await using folder = await temporaryFolder();
  const usage = { usedBytes: 40 * MIB, removableBytes: 30 * MIB, partialBytes: 10 * MIB };
  const space = new DiskSpace({ modelsDir: folder.path, cacheMaxBytes: 100 * MIB }, { usage: () => usage });
  const first = await space.reserve(30 * MIB);
  assert.equal(await space.availableBytes(), 20 * MIB);
  const refused = await refusal(space.reserve(21 * MIB));
  assert.equal(refused.code, 'disk-full');
  assert.equal(refused.fields['missingBytes'], MIB);
  assert.equal(refused.fields['couldFreeBytes'], 30 * MIB);
  assert.match(refused.message, /1048576 bytes/);
  assert.match(refused.message, /--cache-max/);
  assert.match(refused.remedy ?? '', /shoal rm/);
  first.written(30 * MIB);
  usage.partialBytes += 30 * MIB;
  assert.equal(await space.availableBytes(), 20 * MIB);
  first[Symbol.dispose]();
  first.written(MIB);
  assert.equal(space.reservedBytes, 0);
});

test('a download beside the partials fills the budget with what is there of it, and with what comes', async () => {
  await using folder = await temporaryFolder();
  const usage = { usedBytes: 40 * MIB, removableBytes: 0, partialBytes: 0 };
  const space = new DiskSpace({ modelsDir: folder.path, cacheMaxBytes: 100 * MIB }, { usage: () => usage });
  const refused = await refusal(space.reserve(30 * MIB, { bytesThere: 31 * MIB }));
  assert.equal(refused.fields['missingBytes'], MIB);
  assert.equal(await space.availableBytes(), 60 * MIB);
  const download = await space.reserve(30 * MIB, { bytesThere: 20 * MIB });
  assert.equal(await space.availableBytes(), 10 * MIB);
  download.written(30 * MIB);
  assert.equal(await space.availableBytes(), 10 * MIB);
  assert.equal(space.reservedBytes, 0);
  download[Symbol.dispose]();
  assert.equal(await space.availableBytes(), 60 * MIB);
});

test('two that ask at the same time are not promised the same bytes', async () => {
  await using folder = await temporaryFolder();
  const usage = { usedBytes: 0, removableBytes: 0, partialBytes: 0 };
  const space = new DiskSpace({ modelsDir: folder.path, cacheMaxBytes: 10 * MIB }, { usage: () => usage });
  const asked = await Promise.allSettled([1, 2, 3].map(() => space.reserve(6 * MIB)));
  assert.equal(asked.filter(({ status }) => status === 'fulfilled').length, 1);
});

test('a real small disk says how much is missing, and has room again when something goes', {
  skip: needsMount,
}, async () => {
  await using folder = await temporaryFolder();
  await using disk = await mountSmallDisk(join(folder.path, 'models'), 20 * MIB);
  await using made = await TestStore.open({ root: folder.path });
  const { space } = made.store;
  const { totalBytes } = await space.disk();
  const refused = await refusal(space.reserve(20 * MIB));
  assert.equal(refused.code, 'disk-full');
  const missing = Number(refused.fields['missingBytes']);
  assert.ok(missing > 0 && missing < MIB, String(missing));
  assert.match(refused.message, /disk of the models directory/);
  const reserved = await space.reserve(totalBytes - 4 * MIB);
  await assert.rejects(space.reserve(5 * MIB), { code: 'disk-full' });
  await writeFile(join(disk.directory, 'filler'), Buffer.alloc(MIB));
  await assert.rejects(space.reserve(3 * MIB), { code: 'disk-full' });
  await rm(join(disk.directory, 'filler'));
  (await space.reserve(3 * MIB))[Symbol.dispose]();
  reserved[Symbol.dispose]();
  assert.equal(space.reservedBytes, 0);
});

test('a disk that is full to the last byte is an error that says so, and nothing is lost', {
  skip: needsMount,
}, async () => {
  await using folder = await temporaryFolder();
  await using disk = await mountSmallDisk(join(folder.path, 'models'), 3 * MIB);
  await using made = await TestStore.open({ root: folder.path });
  const staged = await made.stage('folder/a.gguf', new Uint8Array(MIB).fill(7));
  await writeFile(join(disk.directory, 'filler'), Buffer.alloc(8 * MIB)).catch(() => undefined);
  const blob = { sha256: 'f'.repeat(64), sizeBytes: 100, manifest: 'm' };
  // tmpfs gives empty files even when it is full: only bytes fail. So the partial is there, and its first piece is not.
  await made.store.partials.create(blob);
  assert.equal(made.store.partials.find(staged.sha256)?.path, staged.from);
  await made.store.installer.install('folder/a.gguf', [staged]);
  assert.deepEqual(made.ids(), ['folder/a.gguf']);
});
