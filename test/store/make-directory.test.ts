import assert from 'node:assert/strict';
import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Database } from '../../src/store/database.ts';
import { makeDirectory } from '../../src/store/make-directory.ts';
import { temporaryFolder } from './store-fixture.ts';

const what = { name: 'the models directory', flag: '--models' };

test('a directory is made with all above it, and one that is there is as good', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'a/b');
  await makeDirectory(path, { what });
  await makeDirectory(path, { what });
  assert.ok((await stat(path)).isDirectory());
});

test('a file in its place or above it is named, with the flag that chooses another', async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, 'models');
  await writeFile(file, '');
  const refused = { code: 'conflict', message: /the models directory.*models/, remedy: /move it away.*--models/ };
  await assert.rejects(makeDirectory(file, { what }), refused);
  await assert.rejects(makeDirectory(join(file, '.shoal'), { what }), refused);
  await assert.rejects(Database.open(join(file, 'data')), { code: 'conflict', remedy: /--data/ });
});

test('one that may not be written to says who needs the right', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'models');
  await mkdir(path, { mode: 0o500 });
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.('nobody');
  try {
    await assert.rejects(makeDirectory(join(path, '.shoal'), { what }), {
      code: 'conflict',
      message: /EACCES/,
      remedy: /the user that the daemon runs as.*--models/,
    });
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
});
