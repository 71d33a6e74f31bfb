import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Folders } from '../../src/store/folders.ts';
import { Remover } from '../../src/store/remover.ts';
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

test('a removal that ends in the middle is completed at the next start', async () => {
  await using folder = await temporaryFolder();
  {
    await using made = await TestStore.start({ root: folder.path });
    const { id, staged } = await stagedFiles(made);
    await made.store.installer.install(id, staged);
    const { catalog, claims, database } = made.store;
    const remover = new Remover(
      {
        modelsDir: made.modelsDir,
        onStep: (step) => {
          if (step === 'unlinked') throw new Error('as if it were killed');
        },
      },
      { catalog, claims, database, folders: new Folders({ modelsDir: made.modelsDir }, { database }), log: silentLog },
    );
    await assert.rejects(remover.remove(id, () => Promise.resolve()));
  }
  await using made = await TestStore.start({ root: folder.path });
  await made.atRest();
  assert.deepEqual(made.ids(), []);
  assert.ok(!existsSync(join(made.modelsDir, 'bundle')));
  assert.deepEqual(made.store.catalog.heldModels(), []);
});
