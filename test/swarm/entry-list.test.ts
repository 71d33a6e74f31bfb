import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EntryIndex } from '../../src/swarm/entry-index.ts';
import { EntryList } from '../../src/swarm/entry-list.ts';
import { modelEntry } from '../../src/swarm/record-entry.ts';
import { blake3, someModel } from './scene.ts';

const entries = Array.from({ length: 5 }, (_, i) => modelEntry(someModel(`m${i}.gguf`), blake3));
const other = modelEntry(someModel('other.gguf'), blake3);

test('what is not in a list cannot go from it, nor come twice, and nothing else goes instead', () => {
  const list = EntryList.of(entries);
  assert.throws(() => list.with({ gone: [other], fresh: [] }), /goes that is not here/);
  assert.throws(() => list.with({ gone: [], fresh: [entries[2]!] }), /comes that is here/);
  assert.throws(() => EntryList.empty.with({ gone: [other], fresh: [] }), /goes that is not here/);
  assert.deepEqual([...list.with({ gone: entries, fresh: [other] })], [other]);
});

test('an index that is told of an equal entry forgets the one that it kept', () => {
  const index = new EntryIndex();
  const [kept] = entries;
  index.hold('a', kept!);
  assert.ok(kept?.content.kind === 'model');
  const equal = { ...kept, content: { kind: 'model' as const, model: { ...kept.content.model, aliases: [] } } };
  index.release('a', equal);
  assert.equal([...index.withName(kept.content.model.aliases[0]!)].length, 0);
  assert.equal([...index.withBlob(kept.content.model.files[0]!.sha256)].length, 0);
  assert.equal(index.sizeBytes, 0);
});
