import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { groupModels } from '../../src/content/model-rules.ts';
import type { KnownFile } from '../../src/store/known-file.ts';
import { ModelIndex } from '../../src/store/model-index.ts';
import { PathIndex } from '../../src/store/path-index.ts';

/** Few names, so that folders become models and cease to be, and shards, merged files and folders compete for an id. */
const NAMES = [
  'config.json',
  'model_index.json',
  'x.gguf',
  'x-00001-of-00002.gguf',
  'x-00002-of-00002.gguf',
  'x-00001-of-00001.gguf',
  'x-00001-of-00002-00001-of-00001.gguf',
  'y.safetensors',
  'notes.txt',
  '.hidden.gguf',
];
const names = fc.constantFrom(...NAMES);
const folders = fc.array(fc.constantFrom('a', 'b', 'x.gguf', '.d'), { maxLength: 3 });
const paths = fc.tuple(folders, names).map(([folder, name]) => [...folder, name].join('/'));

const NO_NAMES = { size: 0, of: () => [], ownerOf: () => undefined };

test('groups of the touched buckets are what grouping all paths gives, whatever comes and goes', () => {
  const operations = fc.array(fc.tuple(fc.boolean(), paths), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(operations, (all) => {
      const index = new PathIndex();
      const present = new Set<string>();
      const groups = new Map<string, ReturnType<PathIndex['groups']>>();
      for (const [isThere, path] of all) {
        if (isThere) {
          index.add(path);
          present.add(path);
        } else {
          index.remove(path);
          present.delete(path);
        }
        for (const key of index.takeDirty()) groups.set(key, index.groups(key));
        const kept = [...groups.values()].flat().sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
        assert.deepEqual(kept, groupModels(present));
      }
    }),
    { numRuns: 400 },
  );
});

function fileOf(seed: number): KnownFile {
  const stamp = { sizeBytes: seed, mtimeNs: 0n, ctimeNs: 0n, inode: BigInt(seed), device: 0n };
  return { stamp, sha256: seed.toString(16).padStart(64, '0'), manifest: `m${seed}` };
}

const actions = fc.oneof(
  fc.record({ kind: fc.constant('verified' as const), path: paths, seed: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ kind: fc.constant('pending' as const), path: paths }),
  fc.record({ kind: fc.constant('gone' as const), path: paths }),
  fc.record({ kind: fc.constant('regroup' as const) }),
);

test('models, names and the changes told are those of an index made anew, under random changes', () => {
  fc.assert(
    fc.property(fc.array(actions, { minLength: 1, maxLength: 60 }), (all) => {
      const index = new ModelIndex();
      const verified = new Map<string, KnownFile>();
      const pending = new Set<string>();
      /** What a listener believes to be here. */
      const told = new Map<string, string>();
      const given = { held: new Set<string>(), names: NO_NAMES };
      const regroup = (): void => {
        const { added, removed } = index.regroup({ verified, ...given });
        for (const id of removed) assert.ok(told.delete(id), `${id} was told to go and was not here`);
        for (const model of added) told.set(model.id, model.digest);
      };
      const withdraw = (path: string): void => {
        const id = index.withdraw(path);
        if (id !== undefined) assert.ok(told.delete(id));
      };
      for (const action of all) {
        if (action.kind === 'regroup') {
          regroup();
          continue;
        }
        withdraw(action.path);
        pending.delete(action.path);
        verified.delete(action.path);
        if (action.kind === 'verified') verified.set(action.path, fileOf(action.seed));
        if (action.kind === 'pending') pending.add(action.path);
        index.touch(action.path, { isThere: action.kind !== 'gone' });
      }
      regroup();
      const fresh = new ModelIndex();
      for (const path of [...verified.keys(), ...pending]) fresh.touch(path, { isThere: true });
      fresh.regroup({ verified, ...given });
      assert.deepEqual(index.list(), fresh.list());
      assert.deepEqual(new Map(fresh.list().map(({ id, digest }) => [id, digest])), told);
      for (const name of ['x', 'y', 'a', 'b', 'a/x.gguf', 'x.gguf']) {
        assert.deepEqual(index.find(name), fresh.find(name));
      }
    }),
    { numRuns: 400 },
  );
});

test('one change among 10,000 models costs less than 15 ms', () => {
  const index = new ModelIndex();
  const verified = new Map<string, KnownFile>();
  const given = { held: new Set<string>(), names: NO_NAMES };
  const all = Array.from({ length: 10_000 }, (_, n) => `loras/style-${n}.safetensors`);
  all.forEach((path, n) => {
    verified.set(path, fileOf(n + 1));
    index.touch(path, { isThere: true });
  });
  assert.equal(index.regroup({ verified, ...given }).added.length, 10_000);
  const times = all.slice(0, 40).map((path) => {
    const startMs = performance.now();
    index.withdraw(path);
    verified.delete(path);
    index.touch(path, { isThere: true });
    index.regroup({ verified, ...given });
    index.list();
    return performance.now() - startMs;
  });
  const median = times.sort((a, b) => a - b)[20] ?? Infinity;
  assert.ok(median < 15, `${median.toFixed(1)} ms`);
});
