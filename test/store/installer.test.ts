import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Installer } from '../../src/store/installer.ts';
import { codeOf } from '../../src/util/errors.ts';
import { spawnOwned } from '../support/child-process.ts';
import { delay } from '../support/wait.ts';
import { BUNDLE, installerPartsOf, sha256Of, stagedFiles, TestStore, temporaryFolder } from './store-fixture.ts';

test('an installed file is a model at once, and nothing is left of its partial', async () => {
  await using folder = await temporaryFolder();
  await using made = await TestStore.start({ root: folder.path });
  const staged = await made.stage('loras/a.ckpt', Buffer.from('bytes'));
  await made.store.installer.install('loras/a.ckpt', [staged]);
  assert.deepEqual(made.ids(), ['loras/a.ckpt']);
  assert.equal(await readFile(join(made.modelsDir, 'loras/a.ckpt'), 'utf8'), 'bytes');
  assert.deepEqual(await readdir(made.store.partials.dir), []);
  assert.deepEqual(made.store.partials.list(), []);
});

test('models that are put into place at the same time may share their bytes', async () => {
  await using folder = await temporaryFolder();
  await using made = await TestStore.start({ root: folder.path });
  const own = await made.write('own.ckpt', 'bytes');
  await made.seesModels('own.ckpt');
  const { manifest, sha256 } = made.store.catalog.fileAt('own.ckpt') ?? assert.fail();
  const paths = Array.from({ length: 8 }, (_, index) => `twin${index}.ckpt`);
  await Promise.all(paths.map((path) => made.store.installer.install(path, [{ path, manifest, sha256 }])));
  assert.deepEqual(made.ids(), ['own.ckpt', ...paths]);
  for (const path of paths) assert.equal(await readFile(join(made.modelsDir, path), 'utf8'), 'bytes');
  assert.equal(await readFile(own, 'utf8'), 'bytes');
  assert.deepEqual(await readdir(made.store.partials.dir), []);
});

test('of one partial several models are made at the same time, and none of them is hashed or withdrawn', async () => {
  await using folder = await temporaryFolder();
  await using made = await TestStore.start({ root: folder.path });
  // Too large to be copied: where they cannot be reflinked they are links.
  const body = Buffer.alloc(2 << 20, 'x');
  const staged = await made.stage('twin0.ckpt', body);
  const paths = Array.from({ length: 4 }, (_, index) => `twin${index}.ckpt`);
  await Promise.all(paths.map((path) => made.store.installer.install(path, [{ ...staged, path }])));
  await made.store.scanner.rescan();
  await made.atRest();
  assert.deepEqual(made.ids(), paths);
  assert.deepEqual(
    made.changes.flatMap(({ removed }) => removed),
    [],
  );
  assert.equal(await made.hashedBytes(), 0);
  assert.deepEqual(made.store.partials.list(), []);
});

test('an installed model stays where it is: the scanner neither withdraws nor hashes it', async () => {
  await using folder = await temporaryFolder();
  await using made = await TestStore.start({ root: folder.path, settleMs: 80 });
  for (const name of ['a', 'b', 'c', 'd']) {
    await made.store.installer.install(`${name}.ckpt`, [await made.stage(`${name}.ckpt`, Buffer.from(name))]);
    await delay(30);
  }
  await delay(250);
  await made.store.scanner.rescan();
  await made.atRest();
  assert.deepEqual(made.ids(), ['a.ckpt', 'b.ckpt', 'c.ckpt', 'd.ckpt']);
  assert.deepEqual(
    made.changes.flatMap(({ removed }) => removed),
    [],
  );
  assert.equal(await made.hashedBytes(), 0);
});

test('a model of several files is here when its last file is, and never in part', async () => {
  await using folder = await temporaryFolder();
  await using made = await TestStore.start({ root: folder.path });
  const { id, staged } = await stagedFiles(made);
  const seen: string[] = [];
  const installer = new Installer(
    {
      modelsDir: made.modelsDir,
      onStep: (step) => {
        made.store.catalog.refresh();
        if (step !== 'released') seen.push(...made.ids());
      },
    },
    installerPartsOf(made),
  );
  await installer.install(id, staged);
  assert.deepEqual(seen, []);
  assert.deepEqual(made.ids(), ['bundle']);
});

test('nothing that exists is ever overwritten', async () => {
  await using folder = await temporaryFolder();
  await using made = await TestStore.start({ root: folder.path });
  await made.write('a.ckpt', 'mine');
  await symlink('/etc/hostname', join(made.modelsDir, 'link.ckpt'));
  await symlink(folder.path, join(made.modelsDir, 'out'));
  for (const path of ['a.ckpt', 'link.ckpt', 'out/x.ckpt', 'a.ckpt/x.ckpt']) {
    const staged = await made.stage(path, Buffer.from('theirs'));
    await assert.rejects(made.store.installer.install(path, [staged]), (error) => codeOf(error) === 'conflict', path);
  }
  assert.equal(await readFile(join(made.modelsDir, 'a.ckpt'), 'utf8'), 'mine');
  await assert.rejects(stat(join(folder.path, 'x.ckpt')));
  for (const path of ['../x.ckpt', '/x.ckpt', '.shoal/x.ckpt', 'a/../b.ckpt']) {
    const staged = { ...(await made.stage('b.ckpt', Buffer.from('theirs'))), path };
    await assert.rejects(made.store.installer.install(path, [staged]), (error) => codeOf(error) === 'invalid', path);
  }
});

test('the same blob at a second and a third place is right everywhere, and is not hashed', async () => {
  await using folder = await temporaryFolder();
  await using made = await TestStore.start({ root: folder.path });
  // Larger than what is copied rather than linked.
  const bytes = Buffer.alloc(40 * 2 ** 20, 'x');
  const first = await made.stage('one.ckpt', bytes);
  const { sha256, manifest } = first;
  await made.store.installer.install('one.ckpt', [first]);
  await made.store.installer.install('two.ckpt', [{ path: 'two.ckpt', sha256, manifest }]);
  await made.store.installer.install('sub/three.ckpt', [{ path: 'sub/three.ckpt', sha256, manifest }]);
  await delay(150);
  await made.store.scanner.rescan();
  await made.atRest();
  assert.deepEqual(made.ids(), ['one.ckpt', 'sub/three.ckpt', 'two.ckpt']);
  assert.equal(sha256Of(await readFile(join(made.modelsDir, 'sub/three.ckpt'))), sha256);
  const used = Number(execFileSync('du', ['-sk', made.modelsDir], { encoding: 'utf8' }).split('\t')[0]);
  assert.ok(used < 2 * 40 * 1024, `${used} KiB`);
  await made.store.remover.remove('one.ckpt', () => Promise.resolve());
  await made.store.scanner.rescan();
  await made.atRest();
  assert.deepEqual(made.ids(), ['sub/three.ckpt', 'two.ckpt']);
  assert.equal(await made.hashedBytes(), 0);
});

test('while a blob gets a second name the scanner leaves the first alone, whose change time moves with it', async () => {
  await using folder = await temporaryFolder();
  await using made = await TestStore.open({ root: folder.path });
  const first = await made.stage('one.ckpt', Buffer.alloc(2 * 2 ** 20, 'x'));
  const { sha256, manifest } = first;
  await made.store.installer.install('one.ckpt', [first]);
  const { claims } = made.store;
  const claimed = new Map<string, boolean>();
  const onStep = (step: string): void => void claimed.set(step, claims.has('one.ckpt'));
  const installer = new Installer({ modelsDir: made.modelsDir, onStep }, installerPartsOf(made));
  await installer.install('two.ckpt', [{ path: 'two.ckpt', sha256, manifest }]);
  assert.equal(claimed.get('linked'), true);
  assert.equal(claimed.get('catalogued'), true);
  assert.equal(claimed.get('released'), false);

  const [one, another] = [claims.claim(['one.ckpt']), claims.claim(['one.ckpt'])];
  one[Symbol.dispose]();
  assert.equal(claims.has('one.ckpt'), true, 'somebody else still works at it');
  another[Symbol.dispose]();
  assert.equal(claims.has('one.ckpt'), false);
});

test('a source of a second copy that was edited meanwhile is not shared', async () => {
  await using folder = await temporaryFolder();
  await using made = await TestStore.open({ root: folder.path });
  const staged = await made.stage('one.ckpt', Buffer.from('right'));
  await made.store.installer.install('one.ckpt', [staged]);
  const path = join(made.modelsDir, 'one.ckpt');
  const { atime, mtime } = await stat(path);
  await writeFile(path, 'wrong');
  await utimes(path, atime, mtime);
  const { sha256, manifest } = staged;
  await assert.rejects(
    made.store.installer.install('two.ckpt', [{ path: 'two.ckpt', sha256, manifest }]),
    (error) => codeOf(error) === 'changed',
  );
  await assert.rejects(stat(join(made.modelsDir, 'two.ckpt')));
});

const steps = [
  ['held', 1],
  ['synced', 1],
  ['noted', 2],
  ['linked', 3],
  ['directory-synced', 2],
  ['unlinked', 2],
  ['catalogued', 3],
  ['released', 1],
] as const;

for (const [step, nth] of steps) {
  test(`killed at "${step}" of file ${nth}, the next start finds whole files or none, and completes`, async () => {
    await using folder = await temporaryFolder();
    const child = spawnOwned(
      [process.execPath, join(import.meta.dirname, 'installer-child.ts'), folder.path, step, String(nth)],
      { stdio: 'inherit' },
    );
    assert.equal((await child.exited).signal, 'SIGKILL');
    for (const [path, text] of BUNDLE.files) {
      const found = await readFile(join(folder.path, 'models', path), 'utf8').catch(() => undefined);
      assert.ok(found === undefined || found === text, `${path} is not what it should be`);
    }
    await using made = await TestStore.start({ root: folder.path });
    await made.atRest();
    if (step !== 'released') {
      // What is in place is hidden until all of it is, whatever a scan finds.
      if (!made.ids().includes(BUNDLE.id)) assert.deepEqual(made.ids(), []);
      const { id, staged } = await stagedFiles(made);
      await made.store.installer.install(id, staged);
    }
    assert.deepEqual(made.ids(), [BUNDLE.id]);
    for (const [path, text] of BUNDLE.files) {
      assert.equal(await readFile(join(made.modelsDir, path), 'utf8'), text);
      assert.equal((await stat(join(made.modelsDir, path))).nlink, 1);
    }
    assert.deepEqual(await readdir(made.store.partials.dir), []);
    assert.deepEqual(made.store.catalog.heldModels(), []);
    assert.equal(await made.hashedBytes(), 0, 'verified bytes are not hashed again');
  });
}

test('a model given up in the middle is taken away again', async () => {
  await using folder = await temporaryFolder();
  await using made = await TestStore.open({ root: folder.path });
  const { id, staged } = await stagedFiles(made);
  let linked = 0;
  const installer = new Installer(
    {
      modelsDir: made.modelsDir,
      onStep: (step) => {
        if (step === 'catalogued') linked += 1;
        if (linked === 2) throw new Error('as if the disk were gone');
      },
    },
    installerPartsOf(made),
  );
  await assert.rejects(installer.install(id, staged));
  assert.deepEqual(installer.unfinished(), [id]);
  await installer.abandon(id);
  assert.deepEqual(installer.unfinished(), []);
  await assert.rejects(stat(join(made.modelsDir, 'bundle')));
  await rm(folder.path, { recursive: true, force: true });
});
