import assert from 'node:assert/strict';
import { appendFileSync } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { test } from 'node:test';
import { pino } from 'pino';
import { asDiskFull } from '../../src/store/disk-full.ts';
import { stampOf } from '../../src/store/file-stamp.ts';
import { FileTable } from '../../src/store/file-table.ts';
import { codeOf } from '../../src/util/errors.ts';
import { never, sha256Of, TestStore, temporaryFolder } from './store-fixture.ts';

test('a file of no interest that is written all the time keeps nobody waiting', async () => {
  await using folder = await temporaryFolder();
  await using made = await TestStore.start({ root: folder.path });
  const archive = await made.write('archive.zip', '');
  const writing = setInterval(() => appendFileSync(archive, 'more'), 1);
  try {
    await made.write('b.ckpt', 'b');
    await made.seesModels('b.ckpt');
  } finally {
    clearInterval(writing);
  }
  assert.equal(await made.hashedBytes(), 1);
});

test('many files are verified with one signal', async () => {
  await using folder = await temporaryFolder();
  await using made = await TestStore.start({ root: folder.path });
  const warnings: string[] = [];
  const onWarning = (warning: Error): void => void warnings.push(warning.name);
  process.on('warning', onWarning);
  const paths = Array.from({ length: 40 }, (_, n) => `m-${String(n).padStart(2, '0')}.ckpt`);
  for (const path of paths) await made.write(path, path);
  await made.seesModels(...paths);
  const results = await made.store.scanner.verify(paths, never);
  assert.deepEqual(
    results,
    paths.map((path) => ({ path, ok: true })),
  );
  await new Promise((resolve) => setImmediate(resolve));
  process.off('warning', onWarning);
  assert.deepEqual(warnings, []);
});

test('a state that cannot be written is said once, and fails nobody', async () => {
  await using folder = await temporaryFolder();
  await using made = await TestStore.open({ root: folder.path });
  const stamp = stampOf(await lstat(await made.write('a.ckpt', 'a'), { bigint: true }));
  const lines: string[] = [];
  const broken = { batch: () => Promise.reject(new Error('IO error: 000003.log: No space left on device')) };
  const table = new FileTable({
    table: broken as unknown as ConstructorParameters<typeof FileTable>[0]['table'],
    log: pino({ level: 'debug' }, { write: (line) => lines.push(line) }),
  });
  for (let n = 0; n < 3; n += 1) await table.put(`${n}.ckpt`, { stamp, sha256: sha256Of('a'), manifest: 'm' });
  await table.flushed();
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? '', /hashed again after the next start/);
});

test('a full disk is told in one way, whoever finds it', () => {
  const level = Object.assign(new Error('Database is not writable'), {
    cause: new Error('IO error: No space left on device'),
  });
  for (const error of [Object.assign(new Error('write'), { code: 'ENOSPC' }), level]) {
    assert.equal(codeOf(asDiskFull(error)), 'disk-full');
  }
  const other = Object.assign(new Error('read'), { code: 'EIO' });
  assert.equal(asDiskFull(other), other);
});
