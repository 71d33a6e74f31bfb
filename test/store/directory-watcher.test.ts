import assert from 'node:assert/strict';
import { type FSWatcher, watch } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { pino } from 'pino';
import { DirectoryWatcher } from '../../src/store/directory-watcher.ts';
import type { Log } from '../../src/util/log.ts';
import { eventually } from '../support/wait.ts';
import { temporaryFolder } from './store-fixture.ts';

function recordingLog(): { log: Log; lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = [];
  return {
    lines,
    log: pino({ level: 'debug' }, { write: (line) => lines.push(JSON.parse(line) as Record<string, unknown>) }),
  };
}

test('writes, new names and deletions in watched folders are told with their paths', async () => {
  await using folder = await temporaryFolder();
  await mkdir(join(folder.path, 'loras'));
  const told = new Set<string>();
  const { log } = recordingLog();
  await using watcher = new DirectoryWatcher({ root: folder.path, onChange: (path) => told.add(path) }, { log });
  watcher.add('', 'root');
  watcher.add('loras', 'loras');
  watcher.add('not there', 'x');
  assert.equal(watcher.size, 2);
  assert.equal(watcher.problem, undefined);
  await writeFile(join(folder.path, 'a'), 'a');
  await writeFile(join(folder.path, 'loras/b'), 'b');
  await eventually('both are told', () => told.has('a') && told.has('loras/b'));
  told.clear();
  await rename(join(folder.path, 'a'), join(folder.path, 'c'));
  await rm(join(folder.path, 'loras/b'));
  await eventually('all are told', () => told.has('a') && told.has('c') && told.has('loras/b'));
  watcher.remove('loras');
  assert.equal(watcher.has('loras'), false);
  assert.equal(watcher.has(''), true);
});

test('when the watches of the system are used up, it is said once with the remedy, and tried again', async () => {
  await using folder = await temporaryFolder();
  for (const name of ['a', 'b', 'c']) await mkdir(join(folder.path, name));
  const { log, lines } = recordingLog();
  let left = 2;
  const limited = (path: string, listener: (event: string, name: string | null) => void): FSWatcher => {
    if (left === 0)
      throw Object.assign(new Error('System limit for number of file watchers reached'), { code: 'ENOSPC' });
    left -= 1;
    return watch(path, { persistent: false }, listener);
  };
  await using watcher = new DirectoryWatcher({ root: folder.path, onChange: () => undefined }, { log, watch: limited });
  for (const name of ['', 'a', 'b', 'c']) watcher.add(name, name);
  assert.deepEqual([watcher.size, watcher.unwatched], [2, 2]);
  assert.match(watcher.problem ?? '', /limit of inotify watches/);
  assert.equal(lines.length, 1);
  assert.match(String(lines[0]?.['remedy']), /max_user_watches/);
  left = 10;
  for (const name of ['', 'a', 'b', 'c']) watcher.add(name, name);
  assert.deepEqual([watcher.size, watcher.unwatched, watcher.problem], [4, 0, undefined]);
});
