import assert from 'node:assert/strict';
import { test } from 'node:test';
import { generateKeyPair } from '@libp2p/crypto/keys';
import type { Model } from '../../src/content/model.ts';
import { OwnRecord } from '../../src/swarm/own-record.ts';
import { encodeMeta, NodeRecord } from '../../src/swarm/record.ts';
import { modelEntry, type RecordEntry } from '../../src/swarm/record-entry.ts';
import { systemClock } from '../../src/util/clock.ts';
import { silentLog } from '../../src/util/log.ts';
import { blake3, someModel } from './scene.ts';

const meta = { name: 'a', addresses: [] };
const privateKey = await generateKeyPair('Ed25519');

function ownRecord(known: readonly RecordEntry[] = []): OwnRecord {
  const findEntry = (hash: string): RecordEntry | undefined => known.find((entry) => entry.hash === hash);
  return new OwnRecord(
    { privateKey, initialSeq: 1, meta },
    { blake3, clock: systemClock, log: silentLog, fleet: { findEntry } },
  );
}

const models = [1, 2, 3, 4, 5].map((i) => someModel(`m${i}.gguf`));

test('what is added to a record makes the same one as a look at everything', async () => {
  const own = ownRecord();
  own.update(models, []);
  await own.publish();
  const [first, ...rest] = models;
  const retired: Model = { ...first!, retired: true };
  const news = someModel('new.gguf');
  assert.ok(own.add([news, retired, models[2]!]));
  const { record, change } = await own.publish();
  const all = [retired, ...rest, news];
  const anew = NodeRecord.of(
    encodeMeta(meta),
    all.map((model) => modelEntry(model, blake3)),
  );
  assert.equal(record.hash(blake3), anew.hash(blake3));
  assert.deepEqual(change?.fresh.map(({ key }) => key).sort(), ['m:m1.gguf', 'm:new.gguf']);
  assert.deepEqual(
    change.gone.map(({ key }) => key),
    ['m:m1.gguf'],
  );
  assert.ok(own.add([news]));
  assert.equal(own.hasNews, false);
  assert.equal(own.update(all, []), false);
  assert.equal(own.update(rest, []), true);
  assert.equal(own.add([news]), false, 'with something else to tell it takes a look at everything');
});

test('of a model that changes twice before it is announced the last state counts, also when it is that of before', async () => {
  const own = ownRecord();
  own.update(models, []);
  await own.publish();
  const [first] = models;
  assert.ok(own.add([{ ...first!, retired: true }, first!]));
  assert.equal(own.hasNews, false);
});

test('an entry that another node has announced is not kept twice', async () => {
  const theirs = modelEntry(someModel('shared.gguf'), blake3);
  const own = ownRecord([theirs]);
  const model = someModel('shared.gguf');
  own.update([model], []);
  await own.publish();
  assert.equal(own.findEntry(theirs.hash), theirs);
  assert.ok(theirs.content.kind === 'model' && theirs.content.model === model);
});
