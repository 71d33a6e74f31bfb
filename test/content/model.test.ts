import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  MODEL_MAX_ALIASES,
  MODEL_MAX_FILES,
  makeModel,
  modelDigest,
  parseAlias,
  validateModel,
} from '../../src/content/model.ts';
import { parseModelPath } from '../../src/content/model-path.ts';
import { ShoalError } from '../../src/util/errors.ts';
import { fileAt } from './arbitraries.ts';

const isInvalid = (error: unknown): boolean => error instanceof ShoalError && error.code === 'invalid';
const ofFile = makeModel('a/x.gguf', ['x'], [fileAt('a/x.gguf')], { format: 'gguf', architecture: 'llama' });
const ofDirectory = makeModel(
  'hf/m',
  [],
  ['hf/m/config.json', 'hf/m/sub/w.bin', 'hf/m/b.txt'].map((path) => fileAt(path)),
);
const ofShards = makeModel(
  'q/x.gguf',
  ['x', 'y'],
  ['q/x-00002-of-00002.gguf', 'q/x-00001-of-00002.gguf'].map((path) => fileAt(path)),
);

test('the digest of a single file is its own sha256', () => {
  assert.equal(ofFile.digest, `sha256:${ofFile.files[0]!.sha256}`);
  assert.equal(
    modelDigest('q/x.gguf', [fileAt('q/x-00001-of-00001.gguf')]),
    `sha256:${fileAt('q/x-00001-of-00001.gguf').sha256}`,
  );
});

test('the digest of a directory is what a shell finds with sha256sum', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'shoal-digest-'));
  try {
    // Sorted by bytes: UTF-16 order has the last two the other way round.
    const names = ['config.json', 'b/w 1.bin', 'b-c.bin', 'Z', 'ä.txt', '\uffee.txt', '\u{1f600}.txt'];
    for (const name of names) {
      await mkdir(dirname(join(dir, name)), { recursive: true });
      await writeFile(join(dir, name), name);
    }
    const shell = `find . -type f -printf '%P\\n' | LC_ALL=C sort | xargs -d '\\n' sha256sum | sha256sum`;
    const [hex] = execFileSync('sh', ['-c', shell], { cwd: dir, encoding: 'utf8' }).split(' ');
    const files = names.map((name) => ({
      path: `hf/m/${name}`,
      sha256: createHash('sha256').update(name).digest('hex'),
    }));
    assert.equal(modelDigest('hf/m', files), `sha256:${hex ?? ''}`);
    assert.equal(
      modelDigest(
        'elsewhere',
        files.map((file) => ({ ...file, path: file.path.replace('hf/m', 'elsewhere') })),
      ),
      `sha256:${hex ?? ''}`,
    );
  } finally {
    await rm(dir, { recursive: true });
  }
});

test('a model that is put together is sorted and summed up', () => {
  assert.deepEqual(
    ofShards.files.map((file) => file.path),
    ['q/x-00001-of-00002.gguf', 'q/x-00002-of-00002.gguf'],
  );
  assert.equal(ofShards.sizeBytes, 46);
});

test('true models pass, in whatever order their files come, and lose what nobody knows', () => {
  for (const model of [ofFile, ofDirectory, ofShards]) {
    const { digest, sizeBytes, ...rest } = model;
    const strange = { ...rest, evil: 1, files: model.files.toReversed().map((file) => ({ ...file, url: 'x' })) };
    assert.deepEqual(validateModel({ ...strange, digest, sizeBytes }), model);
    assert.deepEqual(validateModel(strange), model, 'digest and size may be left out');
  }
});

test('a model that lies about itself is refused', () => {
  const [file] = ofFile.files;
  assert.ok(file);
  const dir = ofDirectory;
  const lies: Record<string, unknown> = {
    'no object': 'model',
    nothing: null,
    'an id that climbs': { ...ofFile, id: '../x.gguf' },
    'an id that is a number': { ...ofFile, id: 7 },
    'an absolute path': { ...ofFile, files: [{ ...file, path: '/etc/passwd' }] },
    'a path that climbs': { ...dir, digest: undefined, files: [{ ...file, path: 'hf/m/../../x' }] },
    'a file elsewhere': { ...dir, digest: undefined, files: [...dir.files, fileAt('hf/other.bin')] },
    'a file in a folder with the same beginning': { ...dir, digest: undefined, files: [fileAt('hf/m2/w.bin')] },
    'another single file': { ...ofFile, digest: undefined, files: [fileAt('a/y.gguf')] },
    'a file beside that of its id': { ...ofFile, digest: undefined, files: [file, fileAt('a/x.gguf/y')] },
    'a shard too few': { ...ofShards, digest: undefined, files: ofShards.files.slice(1) },
    'shards of two sets': {
      ...ofShards,
      digest: undefined,
      files: [ofShards.files[0], fileAt('q/x-00002-of-00003.gguf')],
    },
    'a file twice': { ...dir, digest: undefined, files: [...dir.files, dir.files[0]] },
    'a file that is also a folder': { ...dir, digest: undefined, files: [...dir.files, fileAt('hf/m/sub/w.bin/x')] },
    'no files': { ...dir, digest: undefined, files: [] },
    'files that are no list': { ...dir, files: { length: 1 } },
    'a file that is nothing': { ...dir, files: [null] },
    'another digest': { ...dir, digest: ofFile.digest },
    'a digest of another kind': { ...dir, digest: 5 },
    'another size': { ...dir, sizeBytes: 1 },
    'a negative size': { ...ofFile, files: [{ ...file, sizeBytes: -1 }] },
    'a size as text': { ...ofFile, files: [{ ...file, sizeBytes: '5' }] },
    'a size past every disk': { ...dir, digest: undefined, sizeBytes: undefined, files: manyHuge(10) },
    'a sha256 in capitals': { ...ofFile, files: [{ ...file, sha256: file.sha256.toUpperCase() }] },
    'a manifest that is a path': { ...ofFile, files: [{ ...file, manifest: '../../x' }] },
    'an alias with an escape': { ...ofFile, aliases: ['\u001b[2J'] },
    'aliases that are no list': { ...ofFile, aliases: 'x' },
    'too many aliases': {
      ...ofFile,
      aliases: Array.from({ length: MODEL_MAX_ALIASES + 1 }, (_, index) => `a${index}`),
    },
    'too many files': { ...dir, files: Array.from({ length: MODEL_MAX_FILES + 1 }) },
  };
  for (const [what, lie] of Object.entries(lies)) assert.throws(() => validateModel(lie), isInvalid, what);
});

function manyHuge(count: number): unknown[] {
  return Array.from({ length: count }, (_, index) => ({ ...fileAt(`hf/m/${index}`), sizeBytes: 2 ** 50 }));
}

test('metadata is shown, not trusted: what does not fit is dropped and the model stays', () => {
  const shown = (metadata: unknown): unknown => validateModel({ ...ofFile, metadata }).metadata;
  assert.equal(shown({ format: 'elf' }), undefined);
  assert.equal(shown(7), undefined);
  assert.deepEqual(
    shown({
      format: 'gguf',
      name: `\u001b[2J${'n'.repeat(9999)}`,
      parameters: -3,
      contextLength: '9',
      quantisation: 'Q8_0',
      x: 1,
    }),
    { format: 'gguf', name: `[2J${'n'.repeat(252)}`, quantisation: 'Q8_0' },
  );
});

test('nothing whatever makes validation fail otherwise, and what passes stays in its own scope', () => {
  const paths = fc.constantFrom(
    'a/x.gguf',
    'a',
    'a/b',
    'a/b/c',
    '../a',
    '/a',
    'a/x-00001-of-00002.gguf',
    'a/x-00002-of-00002.gguf',
  );
  // Mostly what could be true, sometimes anything.
  const mostly = (likely: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
    fc.oneof({ weight: 9, arbitrary: likely }, { weight: 1, arbitrary: fc.anything() });
  const file = mostly(paths.map((path) => fileAt(path)));
  const value = fc.record(
    {
      id: mostly(paths),
      aliases: mostly(fc.array(fc.constantFrom('x', 'y'), { maxLength: 3 })),
      digest: mostly(fc.constant(undefined)),
      sizeBytes: mostly(fc.constant(undefined)),
      files: mostly(fc.array(file, { minLength: 1, maxLength: 3 })),
      metadata: fc.anything(),
    },
    { requiredKeys: ['id', 'files'] },
  );
  let passed = 0;
  fc.assert(
    fc.property(mostly(value), (given) => {
      try {
        const model = validateModel(given);
        passed += 1;
        const parent = model.id.slice(0, model.id.lastIndexOf('/') + 1);
        for (const { path } of model.files) {
          assert.equal(parseModelPath(path), path);
          assert.ok(path === model.id || path.startsWith(`${model.id}/`) || path.startsWith(`${parent}x-0000`), path);
        }
        assert.deepEqual(validateModel(model), model);
      } catch (error) {
        assert.ok(isInvalid(error), String(error));
      }
    }),
    { numRuns: 3000 },
  );
  assert.ok(passed > 20, `only ${passed} passed: this shows little`);
});

test('names given on registration are any text on one line', () => {
  for (const name of ['sd-xl', 'meta/llama-3:8b', 'ä 日本', '.x', '../x']) assert.equal(parseAlias(name), name);
  for (const name of ['', 'a\nb', 'x\ud800', 'ä'.repeat(513), 'x'.repeat(1e7)])
    assert.throws(() => parseAlias(name), isInvalid);
});
