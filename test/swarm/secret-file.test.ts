import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadOrCreateSecret } from '../../src/swarm/secret-file.ts';

const none = (): never => assert.fail('nothing may be made in its place');

test('a key that was copied as root says whom to give it to', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'shoal-secret-'));
  t.after(() => rm(directory, { recursive: true }));
  const path = join(directory, 'fleet.key');
  await writeFile(path, 'key', { mode: 0o600 });
  await chmod(directory, 0o755);
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.('nobody');
  else await chmod(path, 0o000);
  const user = process.geteuid?.();
  try {
    await assert.rejects(loadOrCreateSecret(path, none, 0o077), {
      code: 'invalid',
      message: /fleet\.key cannot be read/,
      remedy: `Run as root: chown ${user} ${path}`,
    });
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
});
