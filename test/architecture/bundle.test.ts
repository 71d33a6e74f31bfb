import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { buildDaemon } from '../../bin/build-daemon.ts';

const ROOT = resolve(import.meta.dirname, '../..');

test('the bundle runs, and finds its workers and the packages that stay outside', async () => {
  const directory = await mkdtemp(join(ROOT, '.dist-test-'));
  try {
    await buildDaemon(directory);
    const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    const { stdout } = await promisify(execFile)(process.execPath, [join(directory, 'main.js'), '--version']);
    assert.equal(stdout.trim(), version);
    const files = (await readdir(directory)).filter((name) => name.endsWith('.js'));
    assert.ok(files.length < 100, `${files.length} files`);
    const workers = new Set<string>();
    const outside = new Set<string>();
    for (const file of files) {
      const text = await readFile(join(directory, file), 'utf8');
      for (const [, name = ''] of text.matchAll(/new URL\("\.\/([^"]+)", import\.meta\.url\)/g)) workers.add(name);
      for (const [, path = ''] of text.matchAll(/^import [^"\n]*"(\.\.\/[^"]+)"/gm)) {
        await readFile(join(directory, path));
        outside.add(dirname(path).split('node_modules/').at(-1) ?? '');
      }
      assert.doesNotMatch(text, /^import [^"\n]*"(libp2p|@libp2p\/|typebox)/m, file);
    }
    for (const worker of workers) assert.ok(files.includes(worker), worker);
    assert.deepEqual([...workers].sort(), ['data-worker.js', 'hash-worker.js', 'url-download-worker.js']);
    assert.ok(outside.has('fastify') && outside.has('level'), [...outside].join(' '));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
