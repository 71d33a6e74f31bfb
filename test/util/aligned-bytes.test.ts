import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { alignedBytes } from '../../src/util/aligned-bytes.ts';

test('aligned bytes are as many as asked for, and files, hashes and views take them as any others', (t) => {
  const bytes = alignedBytes(100_003);
  assert.equal(bytes.length, 100_003);
  assert.equal(bytes.byteOffset, 0);
  assert.ok(bytes.every((byte) => byte === 0));
  const directory = mkdtempSync(join(tmpdir(), 'shoal-aligned-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const fd = openSync(join(directory, 'file'), 'w+');
  t.after(() => closeSync(fd));
  const content = Uint8Array.from({ length: 100_003 }, (_, at) => at % 251);
  writeSync(fd, content);
  assert.equal(readSync(fd, bytes, 0, bytes.length, 0), content.length);
  assert.deepEqual(bytes, content);
  const digest = (of: Uint8Array): string => createHash('sha256').update(of).digest('hex');
  assert.equal(digest(bytes.subarray(64, 4096)), digest(content.subarray(64, 4096)));
});
