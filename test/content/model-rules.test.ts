import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { makeModel, validateModel } from '../../src/content/model.ts';
import { parseModelPath } from '../../src/content/model-path.ts';
import { groupModels, hasModelExtension, type ModelGroup, shardOf } from '../../src/content/model-rules.ts';
import { diskPaths, fileAt } from './arbitraries.ts';

function idsOf(paths: readonly string[]): string[] {
  return groupModels(paths).map((group) => group.id);
}

function groupOf(paths: readonly string[], id: string): ModelGroup {
  const group = groupModels(paths).find((candidate) => candidate.id === id);
  assert.ok(group, `no model ${id}`);
  return group;
}

test('a file with a model extension is a model with its name as alias, and other files are none', () => {
  const paths = ['readme.md', 'checkpoints/dream.safetensors', 'vae/V.CKPT', 'x.gguf', 'notes.txt', '.safetensors'];
  assert.deepEqual(groupModels(paths), [
    {
      id: 'checkpoints/dream.safetensors',
      kind: 'file',
      aliases: ['dream'],
      paths: ['checkpoints/dream.safetensors'],
      complete: true,
    },
    { id: 'vae/V.CKPT', kind: 'file', aliases: ['V'], paths: ['vae/V.CKPT'], complete: true },
    { id: 'x.gguf', kind: 'file', aliases: ['x'], paths: ['x.gguf'], complete: true },
  ]);
  for (const extension of ['safetensors', 'sft', 'ckpt', 'pt', 'pt2', 'pth', 'bin', 'gguf', 'onnx']) {
    assert.deepEqual(idsOf([`a/m.${extension}`]), [`a/m.${extension}`]);
  }
});

test('a directory with model_index.json or config.json at its top is one model with all its files', () => {
  const inside = ['hf/sd/model_index.json', 'hf/sd/readme.md', 'hf/sd/unet/config.json', 'hf/sd/unet/w.safetensors'];
  assert.deepEqual(groupModels([...inside, 'hf/other.gguf']), [
    { id: 'hf/other.gguf', kind: 'file', aliases: ['other'], paths: ['hf/other.gguf'], complete: true },
    { id: 'hf/sd', kind: 'directory', aliases: ['sd'], paths: inside, complete: true },
  ]);
  assert.deepEqual(idsOf(['llama/config.json', 'llama/model.safetensors']), ['llama']);
});

test('the outermost marked directory wins, and the models directory itself is never one model', () => {
  assert.deepEqual(idsOf(['config.json', 'a/config.json', 'a/b/config.json', 'a/b/w.bin', 'c.bin']), ['a', 'c.bin']);
});

test('hidden files and folders belong to no model', () => {
  assert.deepEqual(groupOf(['m/config.json', 'm/.git/config', 'm/.x.bin', 'm/w.bin'], 'm').paths, [
    'm/config.json',
    'm/w.bin',
  ]);
  assert.deepEqual(idsOf(['.cache/w.bin', '.shoal/config.json', 'm/.cache/config.json', 'm/.cache/w.bin']), []);
});

test('shards are one model that is complete with the last of them', () => {
  const shards = ['q/x-00002-of-00003.gguf', 'q/x-00001-of-00003.gguf', 'q/x-00003-of-00003.gguf'];
  assert.deepEqual(groupModels(shards), [
    { id: 'q/x.gguf', kind: 'shards', aliases: ['x'], paths: shards.toSorted(), complete: true },
  ]);
  assert.equal(groupOf(shards.slice(1), 'q/x.gguf').complete, false);
  assert.equal(groupOf(['m-00001-of-00001.safetensors'], 'm.safetensors').complete, true);
});

test('names that only look like shards are files of their own', () => {
  const paths = [
    'x-00000-of-00002.gguf',
    'x-00003-of-00002.gguf',
    'x-1-of-2.gguf',
    'x-00001-of-00002.bin',
    'a/-00001-of-00001.gguf',
  ];
  assert.deepEqual(idsOf(paths), paths.toSorted());
  assert.equal(shardOf('x-00001-OF-00002.gguf'), undefined);
});

test('a directory whose shards are missing is not complete', () => {
  const paths = ['m/config.json', 'm/model-00001-of-00002.safetensors'];
  assert.equal(groupOf(paths, 'm').complete, false);
  assert.equal(groupOf([...paths, 'm/model-00002-of-00002.safetensors'], 'm').complete, true);
});

test('a directory without any weights is not complete', () => {
  const paths = ['m/config.json', 'm/tokenizer/vocab.json'];
  assert.equal(groupOf(paths, 'm').complete, false);
  assert.equal(groupOf([...paths, 'm/model.safetensors'], 'm').complete, true);
});

test('shards whose common name is taken go by their first shard', () => {
  const merged = ['x.gguf', 'x-00001-of-00002.gguf', 'x-00002-of-00002.gguf'];
  assert.deepEqual(
    groupModels(merged).map(({ id, kind }) => [id, kind]),
    [
      ['x-00001-of-00002.gguf', 'shards'],
      ['x.gguf', 'file'],
    ],
  );
  // Of two sets the whole one has the name.
  const sets = groupModels(['x-00002-of-00002.gguf', 'x-00001-of-00001.gguf']);
  assert.deepEqual(
    sets.map(({ id, complete }) => [id, complete]),
    [
      ['x-00001-of-00002.gguf', false],
      ['x.gguf', true],
    ],
  );
});

test('shards go by one of their own names when also that of the first is taken', () => {
  const inFolder = ['x-00001-of-00002.gguf/model_index.json', 'x-00002-of-00002.gguf', 'x.gguf'];
  assert.deepEqual(idsOf(inFolder), ['x-00001-of-00002.gguf', 'x-00002-of-00002.gguf', 'x.gguf']);
  // The first set's common name is that of a shard of the second.
  const shards = ['x-00001-of-00002-00001-of-00001.gguf', 'x-00001-of-00002.gguf', 'x-00002-of-00002.gguf', 'x.gguf'];
  const groups = groupModels(shards);
  assert.deepEqual(
    groups.map(({ id }) => id),
    ['x-00001-of-00002-00001-of-00001.gguf', 'x-00001-of-00002.gguf', 'x.gguf'],
  );
  for (const { id, paths } of groups)
    assert.ok(
      validateModel(
        makeModel(
          id,
          [],
          paths.map((path) => fileAt(path)),
        ),
      ),
    );
});

test('any directory is sorted the same in any order: every model file in one model, no id twice', () => {
  fc.assert(
    fc.property(diskPaths, fc.nat(), (paths, turn) => {
      const groups = groupModels(paths);
      const turned = paths.slice(turn % (paths.length + 1)).concat(paths.slice(0, turn % (paths.length + 1)));
      assert.deepEqual(groupModels([...turned, ...turned]), groups);
      assert.equal(new Set(groups.map((group) => group.id)).size, groups.length);
      const grouped = groups.flatMap((group) => group.paths);
      assert.equal(new Set(grouped).size, grouped.length);
      for (const path of paths) {
        const visible = !/(?:^|\/)\./.test(path);
        if (visible && hasModelExtension(path)) assert.ok(grouped.includes(path), path);
        if (!visible) assert.ok(!grouped.includes(path), path);
      }
    }),
    { numRuns: 500 },
  );
});

test('every complete model of any directory passes as one from another node', () => {
  let seen = 0;
  fc.assert(
    fc.property(diskPaths, (paths) => {
      for (const { id, aliases, paths: inside } of groupModels(paths).filter((group) => group.complete)) {
        parseModelPath(id);
        const model = makeModel(
          id,
          aliases,
          inside.map((path) => fileAt(path)),
        );
        assert.deepEqual(validateModel(model), model);
        assert.deepEqual(validateModel(JSON.parse(JSON.stringify(model))), model);
        seen += 1;
      }
    }),
    { numRuns: 300 },
  );
  assert.ok(seen > 100);
});
