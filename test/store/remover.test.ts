import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Folders } from '../../src/store/folders.ts';
import { type RemovalStep, Remover } from '../../src/store/remover.ts';
import { codeOf } from '../../src/util/errors.ts';
import { silentLog } from '../../src/util/log.ts';
import { delay } from '../support/wait.ts';
import { stagedFiles, TestStore, temporaryFolder } from './store-fixture.ts';

test('a model is withdrawn before the first byte is touched, and no scan brings it back meanwhile', async () => {
  await using folder = await temporaryFolder();
  await using made = await TestStore.start({ root: folder.path, settleMs: 30 });
  const path = await made.write('loras/a.ckpt', 'bytes');
  await made.write('loras/b.ckpt', 'other');
  await made.seesModels('loras/a.ckpt', 'loras/b.ckpt');
  const hashed = await made.hashedBytes();
  await made.store.remover.remove('a', async () => {
    assert.deepEqual(made.ids(), ['loras/b.ckpt']);
    assert.deepEqual(made.changes.at(-1)?.removed, ['loras/a.ckpt']);
    assert.ok(existsSync(path));
    await made.store.scanner.rescan();
    await delay(120);
    made.store.catalog.refresh();
    assert.deepEqual(made.ids(), ['loras/b.ckpt']);
  });
  assert.ok(!existsSync(path));
  assert.equal(await made.hashedBytes(), hashed);
  await made.atRest();
  assert.deepEqual(made.ids(), ['loras/b.ckpt']);
  await assert.rejects(
    made.store.remover.remove('a', () => Promise.resolve()),
    (error) => codeOf(error) === 'not-found',
  );
});

test('a damaged model is deleted like any other', async () => {
  await using folder = await temporaryFolder();
  await using made = await TestStore.start({ root: folder.path, settleMs: 30 });
  const path = await made.write('loras/a.ckpt', 'bytes');
  await made.seesModels('loras/a.ckpt');
  await made.store.catalog.damaged('loras/a.ckpt');
  await made.store.remover.removeDamaged('loras/a.ckpt');
  assert.ok(!existsSync(path));
  assert.equal(made.store.catalog.isPresent('loras/a.ckpt'), false);
  assert.deepEqual([...made.store.catalog.unverified()], []);
});

test('a file that has taken the name of a damaged one stays', async () => {
  await using folder = await temporaryFolder();
  await using made = await TestStore.start({ root: folder.path });
  const path = await made.write('a.ckpt', 'old');
  await made.seesModels('a.ckpt');
  await made.store.catalog.damaged('a.ckpt');
  await writeFile(path, 'new and longer');
  await made.store.remover.removeDamaged('a.ckpt');
  assert.equal(await readFile(path, 'utf8'), 'new and longer');
  await made.seesModels('a.ckpt');
});

test('folders that only held the model go with it, others stay', async () => {
  await using folder = await temporaryFolder();
  await using made = await TestStore.start({ root: folder.path });
  const { id, staged } = await stagedFiles(made);
  await made.store.installer.install(id, staged);
  await made.write('checkpoints/mine.ckpt', 'mine');
  await made.seesModels('bundle', 'checkpoints/mine.ckpt');
  await made.store.remover.remove('bundle', () => Promise.resolve());
  await made.store.remover.remove('mine', () => Promise.resolve());
  assert.ok(!existsSync(join(made.modelsDir, 'bundle')));
  assert.ok(existsSync(join(made.modelsDir, 'checkpoints')), 'a folder that somebody else made is theirs');
});

test('a file that has taken the name of the one to be removed stays', async () => {
  await using folder = await temporaryFolder();
  await using made = await TestStore.start({ root: folder.path });
  const path = await made.write('a.ckpt', 'old');
  await made.seesModels('a.ckpt');
  await made.store.remover.remove('a.ckpt', () => writeFile(path, 'new and longer'));
  assert.equal(await readFile(path, 'utf8'), 'new and longer');
  await made.seesModels('a.ckpt');
});

for (const at of ['noted', 'withdrawn', 'unlinked'] satisfies RemovalStep[]) {
  test(`a removal that is killed when it has ${at} what goes is told again at the next start, and completed then`, async () => {
    await using folder = await temporaryFolder();
    {
      await using made = await TestStore.start({ root: folder.path });
      const { id, staged } = await stagedFiles(made);
      await made.store.installer.install(id, staged);
      const remover = removerOf(made, (step) => {
        if (step === at) throw new Error('as if it were killed');
      });
      await assert.rejects(remover.remove(id, () => Promise.resolve()));
    }
    await using made = await TestStore.start({ root: folder.path, settleMs: 10 });
    const left = async (): Promise<number> =>
      (await readdir(join(made.modelsDir, 'bundle'), { recursive: true, withFileTypes: true })).filter((one) =>
        one.isFile(),
      ).length;
    await made.store.scanner.rescan();
    await made.atRest();
    assert.deepEqual(made.ids(), [], 'nobody is told of it again');
    const before = await left();
    assert.equal(before, at === 'unlinked' ? 2 : 3);
    await made.store.remover.complete(async (id) => {
      assert.equal(id, 'bundle');
      await delay(50);
      assert.deepEqual([await left(), made.ids()], [before, []], 'whoever has not been told may still read it');
    });
    await made.atRest();
    assert.deepEqual(made.ids(), []);
    assert.ok(!existsSync(join(made.modelsDir, 'bundle')));
    assert.deepEqual(made.store.catalog.heldModels(), []);
  });
}

test('a daemon that ends before everybody was told leaves an interrupted removal to the next start', async () => {
  await using folder = await temporaryFolder();
  let path = '';
  {
    await using made = await TestStore.start({ root: folder.path });
    path = await made.write('a.ckpt', 'bytes');
    await made.seesModels('a.ckpt');
    await assert.rejects(made.store.remover.remove('a.ckpt', ending));
  }
  {
    await using made = await TestStore.start({ root: folder.path });
    await assert.rejects(made.store.remover.complete(ending), { name: 'AbortError' });
    assert.ok(existsSync(path));
  }
  await using made = await TestStore.start({ root: folder.path });
  await made.store.remover.complete(() => Promise.resolve());
  assert.ok(!existsSync(path));
});

function ending(): Promise<void> {
  return Promise.reject(new DOMException('the daemon is ending', 'AbortError'));
}

function removerOf({ modelsDir, store }: TestStore, onStep: (step: RemovalStep) => void): Remover {
  const { catalog, claims, database } = store;
  const folders = new Folders({ modelsDir }, { database });
  return new Remover({ modelsDir, onStep }, { catalog, claims, database, folders, log: silentLog });
}
