import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { DirectoryLock } from '../../src/store/directory-lock.ts';
import { silentLog } from '../../src/util/log.ts';
import { PROJECT_ROOT, spawnOwned } from '../support/child-process.ts';
import { TestStore, temporaryFolder } from './store-fixture.ts';

test('a models directory that another daemon uses is refused, and its partial files stay', async () => {
  await using folder = await temporaryFolder();
  {
    await using first = await TestStore.open({ root: folder.path });
    await first.stage('a.ckpt', Buffer.from('on its way'));
    const files = await readdir(first.store.partials.dir);
    assert.equal(files.length, 2);
    await assert.rejects(TestStore.open({ root: folder.path, dataDir: join(folder.path, 'other') }), {
      code: 'conflict',
      message: /models directory/,
      remedy: /--models/,
    });
    assert.deepEqual(await readdir(first.store.partials.dir), files);
  }
  await using later = await TestStore.open({ root: folder.path });
  assert.equal(later.store.partials.list().length, 1);
});

test('a daemon that was killed keeps nobody from its models directory', async () => {
  await using folder = await temporaryFolder();
  const place = { modelsDir: folder.path, folder: folder.path };
  const script = `
    const { DirectoryLock } = await import('./src/store/directory-lock.ts');
    globalThis.lock = DirectoryLock.take(${JSON.stringify(place)}, { log: console });
    setInterval(() => undefined, 1000);
    console.log('taken');`;
  const child = spawnOwned([process.execPath, '--input-type=module', '--eval', script], {
    cwd: PROJECT_ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  assert.ok(child.child.stdout);
  await once(child.child.stdout, 'data');
  assert.throws(() => DirectoryLock.take(place, { log: silentLog }), { code: 'conflict' });
  child.child.kill('SIGKILL');
  await child.exited;
  DirectoryLock.take(place, { log: silentLog })[Symbol.dispose]();
});
