import assert from 'node:assert/strict';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Database } from '../../src/store/database.ts';
import { Wants } from '../../src/store/wants.ts';
import { temporaryFolder } from './store-fixture.ts';

test('a data directory that another daemon uses is refused with the remedy', async () => {
  await using folder = await temporaryFolder();
  const first = await Database.open(folder.path);
  await assert.rejects(Database.open(folder.path), { code: 'conflict', remedy: /--data/ });
  await first[Symbol.asyncDispose]();
  await (await Database.open(folder.path))[Symbol.asyncDispose]();
});

test('a state that cannot be opened says where it is and what moving it away costs', async () => {
  await using folder = await temporaryFolder();
  await writeFile(join(folder.path, 'state'), 'no directory');
  await assert.rejects(Database.open(folder.path), { code: 'internal', remedy: /move .*state away/ });
});

test('the state is not readable for others', async () => {
  await using folder = await temporaryFolder();
  const opened = await Database.open(folder.path);
  await opened[Symbol.asyncDispose]();
  assert.equal((await stat(join(folder.path, 'state'))).mode & 0o077, 0);
});

test('wants and pins survive a restart, oldest first', async () => {
  await using folder = await temporaryFolder();
  {
    await using database = await Database.open(folder.path);
    const wants = await Wants.open({ database });
    const changes: string[] = [];
    wants.on('change', (name) => changes.push(name));
    await wants.put({ name: 'b', since: 2, priority: 'normal' });
    await wants.put({ name: 'a', since: 3, priority: 'high', digest: `sha256:${'0'.repeat(64)}` });
    await wants.put({ name: 'c', since: 1, priority: 'normal' });
    await wants.delete('b');
    await wants.delete('nobody asked for it');
    await wants.pin('x', 7);
    await wants.pin('y', 8);
    await wants.unpin('y');
    assert.deepEqual(changes, ['b', 'a', 'c', 'b', 'x', 'y', 'y']);
  }
  await using database = await Database.open(folder.path);
  const wants = await Wants.open({ database });
  assert.deepEqual(
    wants.list().map(({ name }) => name),
    ['c', 'a'],
  );
  assert.equal(wants.get('a')?.priority, 'high');
  assert.deepEqual([wants.isPinned('x'), wants.isPinned('y')], [true, false]);
});
