import assert from 'node:assert/strict';
import { unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually } from '../support/wait.ts';
import { never, sha256Of, TestStore, temporaryFolder } from './store-fixture.ts';

/** As if the disk had given other bytes back: the catalog holds another digest than the file has. */
async function rot(made: TestStore, path: string): Promise<void> {
  const known = made.store.catalog.fileAt(path);
  assert.ok(known !== undefined);
  await made.store.catalog.putFile(path, { ...known, sha256: sha256Of('what it was') });
  made.store.catalog.refresh();
}

test('bytes that changed although nobody wrote are found, and stay out over scans and restarts', async () => {
  await using folder = await temporaryFolder();
  {
    await using made = await TestStore.start({ root: folder.path });
    await made.write('good.ckpt', 'good');
    await made.write('rotten.ckpt', 'rotten');
    await made.seesModels('good.ckpt', 'rotten.ckpt');
    await rot(made, 'rotten.ckpt');
    const found = await made.store.scanner.verify(['good.ckpt', 'rotten.ckpt', 'nothing.ckpt'], never);
    assert.deepEqual(
      found.map(({ ok }) => ok),
      [true, false, false],
    );
    await made.store.scanner.rescan();
    assert.deepEqual(made.ids(), ['good.ckpt']);
    assert.equal(made.store.catalog.unverified().get('rotten.ckpt'), 'corrupt');
  }
  await using made = await TestStore.start({ root: folder.path });
  await made.atRest();
  assert.deepEqual(made.ids(), ['good.ckpt']);
  assert.equal(made.store.catalog.unverified().get('rotten.ckpt'), 'corrupt');
  await writeFile(join(made.modelsDir, 'rotten.ckpt'), 'replaced');
  await made.seesModels('good.ckpt', 'rotten.ckpt');
});

test('a model that is removed while it is verified is not served again before it is deleted', async () => {
  await using folder = await temporaryFolder();
  await using made = await TestStore.start({ root: folder.path });
  await made.write('a.ckpt', 'a');
  await made.seesModels('a.ckpt');
  const { store } = made;
  const verifying = store.scanner.verify(['a.ckpt'], never);
  await store.remover.remove('a.ckpt', async () => {
    await verifying;
    assert.equal(store.catalog.locateBlob(sha256Of('a')), undefined);
  });
});

test('a file that goes while it is verified is lost, not damaged', async () => {
  await using folder = await temporaryFolder();
  await using made = await TestStore.start({ root: folder.path });
  const path = await made.write('a.ckpt', 'a');
  await made.seesModels('a.ckpt');
  const verifying = made.store.scanner.verify(['a.ckpt'], never);
  await unlink(path);
  await verifying;
  await made.seesModels();
  await eventually('nothing is thought to be there', () => made.store.catalog.unverified().size === 0);
});
