import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codeOf } from '../../src/util/errors.ts';
import { delay } from '../support/wait.ts';
import { sha256Of, TestStore, temporaryFolder } from './store-fixture.ts';

test('what is withdrawn is withdrawn, and told, when the call returns its control', async () => {
  await using folder = await temporaryFolder();
  await using made = await TestStore.start({ root: folder.path });
  const { catalog } = made.store;
  for (const name of ['suspended', 'removed', 'lost', 'held']) await made.write(`${name}.ckpt`, name);
  await made.seesModels('held.ckpt', 'lost.ckpt', 'removed.ckpt', 'suspended.ckpt');
  const withdrawals: [string, () => unknown][] = [
    ['suspended', () => catalog.suspend('suspended.ckpt', 'settling')],
    ['removed', () => catalog.removeFile('removed.ckpt')],
    ['lost', () => catalog.lose('lost.ckpt')],
    ['held', () => catalog.hold('held.ckpt', ['held.ckpt'])],
  ];
  for (const [name, withdraw] of withdrawals) {
    const done = withdraw();
    assert.equal(catalog.findModel(`${name}.ckpt`), undefined, name);
    assert.deepEqual(made.changes.at(-1)?.removed, [`${name}.ckpt`]);
    if (name !== 'held') assert.equal(catalog.locateBlob(sha256Of(name)), undefined, name);
    await done;
  }
});

test('a held model stays out until it is released, also over a restart', async () => {
  await using folder = await temporaryFolder();
  {
    await using made = await TestStore.start({ root: folder.path });
    await made.store.catalog.hold('m', ['m/config.json', 'm/w.ckpt']);
    await made.write('m/config.json', '{}');
    await made.write('m/w.ckpt', 'w');
    await made.atRest();
    await delay(100);
    assert.deepEqual(made.ids(), []);
  }
  await using made = await TestStore.start({ root: folder.path });
  await made.atRest();
  await delay(100);
  assert.deepEqual(made.ids(), []);
  await made.store.catalog.release('m');
  await made.seesModels('m');
});

test('a name given to a digest leads to whatever has it, survives a restart, and goes with the bytes', async () => {
  await using folder = await temporaryFolder();
  const digest = `sha256:${sha256Of('1')}`;
  {
    await using made = await TestStore.start({ root: folder.path });
    const { catalog } = made.store;
    await made.write('a/one.ckpt', '1');
    await made.write('b/one.ckpt', '2');
    await made.seesModels('a/one.ckpt', 'b/one.ckpt');
    assert.equal(catalog.findModel('one'), undefined, 'a shared alias leads nowhere');
    await catalog.name('mine', digest);
    assert.equal(catalog.findModel('mine')?.id, 'a/one.ckpt');
    await catalog.name('one', digest);
    assert.equal(catalog.findModel('one')?.id, 'a/one.ckpt', 'the registration decides whose it is');
    await catalog.name('one', undefined);
    assert.equal(catalog.findModel('one'), undefined);
    await assert.rejects(catalog.name('line\nbreak', digest), (error) => codeOf(error) === 'invalid');
    for (let n = 0; n < 13; n += 1) await catalog.name(`n${n}`, digest);
    await assert.rejects(catalog.name('one too many', digest), (error) => codeOf(error) === 'conflict');
  }
  await using made = await TestStore.start({ root: folder.path });
  await made.seesModels('a/one.ckpt', 'b/one.ckpt');
  assert.equal(made.store.catalog.findModel('mine')?.id, 'a/one.ckpt');
  await made.write('a/one.ckpt', 'other bytes');
  await made.write('c/new.ckpt', '1');
  await made.seesModels('a/one.ckpt', 'b/one.ckpt', 'c/new.ckpt');
  assert.equal(made.store.catalog.findModel('mine')?.id, 'c/new.ckpt', 'not what took the place of the file');
});
