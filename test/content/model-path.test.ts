import assert from 'node:assert/strict';
import { posix } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseModelPath } from '../../src/content/model-path.ts';
import { ShoalError } from '../../src/util/errors.ts';

const isInvalid = (error: unknown): boolean => error instanceof ShoalError && error.code === 'invalid';

function parseOrRefuse(text: string): string | undefined {
  try {
    return parseModelPath(text);
  } catch (error) {
    assert.ok(isInvalid(error), String(error));
    return undefined;
  }
}

test('paths of models as they lie on real disks are taken as they are', () => {
  for (const path of [
    'x.safetensors',
    'checkpoints/sd15/dream shaper (v8) [pruned].safetensors',
    'models--org--name/snapshots/abc/model-00001-of-00002.safetensors',
    'loras/ä/日本語/naïve.safetensors',
    'loras/e\u0301.safetensors',
    'a..b/c...gguf',
    '~/x.gguf',
    '-rf.bin',
    `${'d/'.repeat(300)}x.gguf`,
    `${'n'.repeat(250)}.gguf`,
  ]) {
    assert.equal(parseModelPath(path), path);
  }
});

test('paths that could leave the models directory or reach hidden files are refused', () => {
  for (const path of [
    '',
    '/',
    '/etc/passwd',
    '//x',
    '.',
    '..',
    './x.gguf',
    '../x.gguf',
    'a/../x.gguf',
    'a/..',
    'a/./x.gguf',
    'a//x.gguf',
    'a/',
    'a\\..\\x.gguf',
    'C:\\x.gguf',
    'x\0.gguf',
    'x\n.gguf',
    'x\u001b[2J.gguf',
    'x\u0085.gguf',
    '.shoal/index.json',
    'a/.shoal/partial/x',
    '.hidden.safetensors',
    'a/...x.gguf',
    'x.part',
    'a/x.safetensors.part',
    'x\ud800.gguf',
    '\udc00',
    'n'.repeat(256),
    'ä'.repeat(128),
    `${'d/'.repeat(512)}x`,
    'x/'.repeat(10_000_000),
  ]) {
    assert.throws(() => parseModelPath(path), isInvalid, JSON.stringify(path.slice(0, 40)));
  }
});

test('nothing that is accepted resolves outside any root, or to a hidden name', () => {
  const segment = fc.oneof(
    fc.constantFrom('..', '.', '', '...', '.shoal', 'a', 'b.gguf', '..a', 'a..', '\\', '%2e%2e', '\u2025', '．．', '~'),
    fc.string({ maxLength: 6 }),
    fc.string({ unit: 'binary', maxLength: 6 }),
  );
  let accepted = 0;
  fc.assert(
    fc.property(
      fc.array(segment, { minLength: 1, maxLength: 6 }),
      fc.constantFrom('/', '/models', '/a/b'),
      (parts, root) => {
        const text = parts.join('/');
        const path = parseOrRefuse(text);
        if (path === undefined) return;
        accepted += 1;
        assert.equal(path, text);
        assert.equal(posix.normalize(path), path);
        const resolved = posix.resolve(root, path);
        assert.equal(resolved, `${root === '/' ? '' : root}/${path}`);
        assert.ok(path.split('/').every((name) => name !== '' && !name.startsWith('.')));
        // What a file system stores is what was checked.
        assert.equal(Buffer.from(path).toString('utf8'), path);
      },
    ),
    { numRuns: 3000 },
  );
  assert.ok(accepted > 300, `only ${accepted} paths were accepted: this shows little`);
});

test('the message shows what was given, without its control characters and not all of it', () => {
  assert.throws(
    () => parseModelPath(`\u001b[31m${'x'.repeat(5000)}`),
    (error) => error instanceof Error && !error.message.includes('\u001b') && error.message.length < 400,
  );
});
