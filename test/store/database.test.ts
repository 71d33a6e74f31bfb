import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { open, readdir, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Database, type Table } from '../../src/store/database.ts';
import { Wants } from '../../src/store/wants.ts';
import { mountSmallDisk, needsMount } from '../support/mounts.ts';
import { temporaryFolder } from './store-fixture.ts';

const KIB = 1024;

/** Another program that leaves so much room. */
async function fill(directory: string, leftBytes: number): Promise<string> {
  const path = join(directory, 'filler');
  const { bavail, bsize } = await statfs(directory);
  await writeFile(path, new Uint8Array(bavail * bsize - leftBytes));
  return path;
}

/** Returns the keys whose writes have resolved. */
async function putUntilFull(table: Table<string>): Promise<string[]> {
  const written: string[] = [];
  const value = randomBytes(2 * KIB).toString('hex');
  for (;;) {
    const key = `k${written.length}`;
    try {
      await table.put(key, value);
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'disk-full', String(error));
      return written;
    }
    written.push(key);
  }
}

for (const [what, leftBytes] of [
  ['the log', 100 * KIB],
  ['a table', 1200 * KIB],
] as const) {
  test(`a disk too full for ${what} costs only the writes that failed`, { skip: needsMount }, async () => {
    await using folder = await temporaryFolder();
    await using disk = await mountSmallDisk(join(folder.path, 'disk'), 16 * KIB * KIB);
    const expected: string[] = [];
    {
      await using database = await Database.open(disk.directory);
      const table = database.json<string>('test');
      const filler = await fill(disk.directory, leftBytes);
      expected.push(...(await putUntilFull(table)));
      // Full as before: what is known can be read, and nothing is promised.
      await assert.rejects(table.put('still full', 'x'), { code: 'disk-full' });
      assert.equal((await table.keys().all()).length, expected.length);
      await rm(filler);
      // Side by side, and as soon as there is room.
      const late = Array.from({ length: 20 }, (_, index) => `late${index}`);
      await Promise.all(late.map((key) => table.put(key, 'late')));
      expected.push(...late);
      assert.deepEqual((await table.keys().all()).sort(), expected.sort());
    }
    await using database = await Database.open(disk.directory);
    assert.deepEqual((await database.json<string>('test').keys().all()).sort(), expected.sort());
    await database[Symbol.asyncDispose]();
    await fill(disk.directory, 0);
    await assert.rejects(Database.open(disk.directory), { code: 'disk-full' });
  });
}

test('a state that is damaged says where it is and what moving it away costs', async () => {
  await using folder = await temporaryFolder();
  {
    await using database = await Database.open(folder.path);
    await database.json<string>('test').put('key', randomBytes(100).toString('hex'));
  }
  // What was written is in the log, and goes into a table when it is opened.
  await (await Database.open(folder.path))[Symbol.asyncDispose]();
  const state = join(folder.path, 'state');
  const tables = (await readdir(state)).filter((name) => name.endsWith('.ldb'));
  assert.ok(tables.length > 0);
  for (const name of tables) {
    const { size } = await stat(join(state, name));
    await using file = await open(join(state, name), 'r+');
    await file.write(randomBytes(size - 48), 0, size - 48, 0);
  }
  await using database = await Database.open(folder.path);
  await assert.rejects(database.json<string>('test').iterator().all(), {
    code: 'internal',
    remedy: /move .*state away/,
  });
});

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
