import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadBlake3 } from '../../src/content/blake3.ts';
import { parseManifestCid } from '../../src/content/cid.ts';
import { isSha256 } from '../../src/content/digest.ts';
import { DRAFT_MIN_BYTES, draftId, draftOf } from '../../src/content/draft.ts';

const blake3 = await loadBlake3();
const file = { path: 'llm/m.gguf', sizeBytes: 64 << 20, modifiedNs: '1700000000000000001' };

test('a draft is named by path, size and time of its file, and by nothing else', () => {
  const draft = draftOf(file, blake3);
  assert.ok(draft !== undefined && isSha256(draft.id));
  assert.equal(parseManifestCid(draft.manifest), draft.manifest);
  assert.deepEqual(draftOf({ ...file }, blake3), draft);
  assert.equal(draftId(file), draft.id);
  const others = [
    { ...file, path: 'llm/n.gguf' },
    { ...file, sizeBytes: file.sizeBytes + 1 },
    { ...file, modifiedNs: '1700000000000000002' },
  ];
  const names = others.map((other) => draftOf(other, blake3));
  assert.equal(new Set([draft.id, ...names.map((name) => name?.id)]).size, 4);
  assert.equal(new Set([draft.manifest, ...names.map((name) => name?.manifest)]).size, 4);
});

test('a small file, and one whose time nobody knows, have no draft', () => {
  assert.equal(draftOf({ ...file, sizeBytes: DRAFT_MIN_BYTES - 1 }, blake3), undefined);
  assert.equal(draftId({ path: file.path, sizeBytes: file.sizeBytes }), undefined);
});
