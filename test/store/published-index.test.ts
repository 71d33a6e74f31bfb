import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { makeModel } from '../../src/content/model.ts';
import { formatIndex, INDEX_MAX_BYTES, parsePublishedIndex } from '../../src/store/published-index.ts';
import { ShoalError } from '../../src/util/errors.ts';
import { manifestFor } from './store-fixture.ts';

const { manifest, cid } = manifestFor(Buffer.from('weights'));
const file = { path: 'loras/a.ckpt', sizeBytes: 7, sha256: manifest.sha256, manifest: cid };
const model = makeModel('loras/a.ckpt', ['a'], [file]);

function parse(value: unknown): unknown {
  return parsePublishedIndex(Buffer.from(JSON.stringify(value)));
}

test('what is written is read back', () => {
  assert.deepEqual(parsePublishedIndex(Buffer.from(formatIndex([model]))), [model]);
  assert.deepEqual(parsePublishedIndex(Buffer.from(formatIndex([]))), []);
});

test('hostile indices are refused as invalid', () => {
  const { id, aliases, digest } = model;
  const of = (changes: object): unknown => ({
    version: 1,
    models: [{ id, aliases, digest, files: [file], ...changes }],
  });
  const hostile: unknown[] = [
    null,
    [],
    {},
    { version: 2, models: [] },
    { version: 1, models: {} },
    of({ id: '../a.ckpt' }),
    of({ id: '/etc/passwd', files: [{ ...file, path: '/etc/passwd' }] }),
    of({ files: [{ ...file, path: '.shoal/index.json' }] }),
    of({ files: [{ ...file, path: 'loras/../../a.ckpt' }] }),
    of({ files: [{ ...file, path: 'elsewhere/b.ckpt' }] }),
    of({ files: [{ ...file, sizeBytes: -1 }] }),
    of({ files: [{ ...file, sizeBytes: 2 ** 60 }] }),
    of({ files: [{ ...file, sha256: 'ABC' }] }),
    of({ files: [{ ...file, manifest: '../../secret' }] }),
    of({ files: [] }),
    of({ files: [file, file] }),
    of({ digest: `sha256:${'0'.repeat(64)}` }),
    of({ aliases: Array.from({ length: 17 }, (_, n) => `alias ${n}`) }),
    of({ aliases: ['line\nbreak'] }),
  ];
  for (const value of hostile) assert.throws(() => parse(value), { code: 'invalid' }, JSON.stringify(value));
  assert.throws(() => parsePublishedIndex(Uint8Array.of(0xff, 0xfe)), { code: 'invalid' });
  assert.throws(() => parsePublishedIndex(new Uint8Array(INDEX_MAX_BYTES + 1)), { code: 'invalid' });
});

test('any bytes and any JSON are either models or refused', () => {
  const calm = (work: () => unknown): boolean => {
    try {
      work();
      return true;
    } catch (error) {
      return error instanceof ShoalError && error.code === 'invalid';
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => calm(() => parsePublishedIndex(bytes))));
  fc.assert(fc.property(fc.jsonValue(), (value) => calm(() => parse(value))));
  const mutated = fc.record({
    id: fc.jsonValue(),
    aliases: fc.jsonValue(),
    digest: fc.jsonValue(),
    files: fc.jsonValue(),
  });
  fc.assert(fc.property(mutated, (changes) => calm(() => parse({ version: 1, models: [{ ...model, ...changes }] }))));
});
