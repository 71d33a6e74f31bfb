import assert from 'node:assert/strict';
import { test } from 'node:test';
import { generateKeyPair } from '@libp2p/crypto/keys';
import type { Ed25519PrivateKey } from '@libp2p/interface';
import type { Model } from '../../src/content/model.ts';
import { EXPIRY_MS, Fleet, type FleetChange } from '../../src/swarm/fleet.ts';
import { encodeMeta, NodeRecord } from '../../src/swarm/record.ts';
import { modelEntry, type PartialBlob, partialEntry } from '../../src/swarm/record-entry.ts';
import { type SignedHead, signHead } from '../../src/swarm/record-head.ts';
import type { Clock } from '../../src/util/clock.ts';
import { Metrics } from '../../src/util/metrics.ts';
import { blake3, listeningLog, someModel } from './scene.ts';

class ManualClock implements Clock {
  ms = 1_000_000;
  now = (): number => this.ms;
  monotonic = (): number => this.ms;
  sleep = (): Promise<void> => Promise.reject(new Error('nobody sleeps here'));
}

function scene(): {
  fleet: Fleet;
  clock: ManualClock;
  changes: FleetChange[];
  lines: ReturnType<typeof listeningLog>['lines'];
} {
  const clock = new ManualClock();
  const { log, lines } = listeningLog();
  const fleet = new Fleet({ self: 'me' }, { blake3, clock, log, metrics: new Metrics() });
  const changes: FleetChange[] = [];
  fleet.on('change', (change) => changes.push(change));
  return { fleet, clock, changes, lines };
}

function recordOf(name: string, models: Model[], partials: PartialBlob[] = []): NodeRecord {
  return NodeRecord.of(encodeMeta({ name, addresses: [] }), [
    ...models.map((model) => modelEntry(model, blake3)),
    ...partials.map((partial) => partialEntry(partial, blake3)),
  ]);
}

function head(key: Ed25519PrivateKey, record: NodeRecord, seq: number, beat: number): Promise<SignedHead> {
  return signHead({ seq, beat, recordHash: record.hash(blake3), freeBytes: seq, issuedAt: 0 }, key);
}

const key = await generateKeyPair('Ed25519');
const peerId = key.publicKey.toString();
const shared = someModel('shared.gguf');
const mine = someModel('mine.gguf');

test('a record is known until nothing was heard of it for 90 s', async () => {
  const { fleet, clock, changes, lines } = scene();
  const record = recordOf('a', [shared]);
  assert.equal(fleet.hear(await head(key, record, 1, 1), 0), 'unknown-record');
  fleet.adopt(await head(key, record, 1, 1), record, 0);
  for (let beat = 2; beat < 10; beat += 1) {
    clock.ms += 30_000;
    fleet.expire();
    assert.equal(fleet.hear(await head(key, record, 1, beat), 0), 'refreshed');
  }
  clock.ms += EXPIRY_MS - 1;
  fleet.expire();
  assert.equal(fleet.nodes().length, 1);
  clock.ms += 1;
  fleet.expire();
  assert.deepEqual(fleet.nodes(), []);
  assert.deepEqual(fleet.providersOf(shared.files[0]!.sha256), []);
  assert.deepEqual(
    changes.map(({ kind }) => kind),
    ['joined', 'left'],
  );
  assert.deepEqual(changes[1]?.removed, ['shared.gguf']);
  // `node` is the one that writes the log.
  for (const line of lines) assert.deepEqual([line['name'], line['node']], ['a', undefined], line.msg);
});

test('a head that was heard before keeps nobody alive, not even after the record was dropped', async () => {
  const { fleet, clock } = scene();
  const record = recordOf('a', [shared]);
  const old = await head(key, record, 1, 4);
  fleet.adopt(await head(key, record, 1, 5), record, 0);
  assert.equal(fleet.hear(old, 0), 'known');
  clock.ms += EXPIRY_MS;
  assert.equal(fleet.hear(await head(key, record, 1, 5), 0), 'known');
  fleet.expire();
  assert.equal(fleet.nodes().length, 0);
  assert.equal(fleet.hear(await head(key, record, 1, 5), 0), 'known');
  assert.equal(fleet.adopt(await head(key, record, 1, 5), record, 0), false);
  assert.equal(fleet.hear(await head(key, record, 1, 6), 0), 'unknown-record');
  assert.equal(fleet.adopt(await head(key, record, 1, 6), record, 0), true);
});

test('a node that starts anew with what it had before is believed by its head alone', async () => {
  const { fleet, changes } = scene();
  const record = recordOf('a', [shared]);
  fleet.adopt(await head(key, record, 1, 7), record, 0);
  changes.length = 0;
  assert.equal(fleet.hear(await head(key, record, 5, 1), 0), 'refreshed');
  assert.equal(fleet.node(peerId)?.seq, 5);
  assert.deepEqual(changes, []);
  const after = recordOf('a', [shared, mine]);
  const added = [modelEntry(mine, blake3)];
  assert.ok(fleet.amend(await head(key, after, 6, 2), { baseSeq: 5, added, removed: [] }));
  assert.equal(fleet.hear(await head(key, record, 1, 8), 0), 'old');
});

test('hearsay ages: what somebody saw 80 s ago lives 10 s more', async () => {
  const { fleet, clock } = scene();
  const record = recordOf('a', []);
  fleet.adopt(await head(key, record, 1, 1), record, 80_000);
  clock.ms += 9_999;
  fleet.expire();
  assert.equal(fleet.nodes().length, 1);
  clock.ms += 1;
  fleet.expire();
  assert.equal(fleet.nodes().length, 0);
  assert.equal(fleet.hear(await head(key, record, 1, 2), EXPIRY_MS), 'known');
});

test('an older record is refused and logged once', async () => {
  const { fleet, lines } = scene();
  const now = recordOf('a', [shared]);
  const before = recordOf('a', [mine]);
  fleet.adopt(await head(key, now, 9, 1), now, 0);
  for (let beat = 1; beat < 5; beat += 1) {
    assert.equal(fleet.hear(await head(key, before, 8, beat), 0), 'old');
    assert.equal(fleet.adopt(await head(key, before, 8, beat), before, 0), false);
  }
  assert.deepEqual([...fleet.models().keys()], ['shared.gguf']);
  assert.equal(lines.filter(({ msg }) => msg === 'record refused: older than the one known').length, 1);
});

test('an owner that says two things under one number is believed the first', async () => {
  const { fleet } = scene();
  const first = recordOf('a', [shared]);
  const second = recordOf('a', [mine]);
  fleet.adopt(await head(key, first, 1, 1), first, 0);
  assert.equal(fleet.hear(await head(key, second, 1, 2), 0), 'old');
  assert.deepEqual([...fleet.models().keys()], ['shared.gguf']);
});

test('a record that is not the one its head names is refused', async () => {
  const { fleet } = scene();
  const claimed = await head(key, recordOf('a', [shared]), 1, 1);
  assert.throws(() => fleet.adopt(claimed, recordOf('a', [mine]), 0), { code: 'invalid' });
});

test('providers and offers follow every change', async () => {
  const { fleet, changes } = scene();
  const other = await generateKeyPair('Ed25519');
  const file = mine.files[0]!;
  const one = recordOf('one', [shared, mine]);
  const two = recordOf('two', [shared], [{ sha256: file.sha256, sizeBytes: file.sizeBytes, manifest: file.manifest }]);
  fleet.adopt(await head(key, one, 1, 1), one, 0);
  fleet.adopt(await head(other, two, 1, 1), two, 0);
  const otherId = other.publicKey.toString();
  assert.deepEqual(fleet.providersOf(file.sha256), [
    { peerId, complete: true },
    { peerId: otherId, complete: false },
  ]);
  assert.equal(fleet.blobSize(file.sha256, otherId), file.sizeBytes);
  assert.deepEqual(
    fleet.offersOf('mine alias').map((offer) => offer.peerId),
    [peerId],
  );
  assert.equal(fleet.offersOf('shared.gguf').length, 2);
  assert.equal(fleet.models().get('shared.gguf')!.length, 2);
  assert.deepEqual(
    fleet.nodes().map(({ name }) => name),
    ['one', 'two'],
  );
  assert.equal(changes[1]!.blobs.length, 2);

  const later = recordOf('one', [mine]);
  fleet.adopt(await head(key, later, 2, 2), later, 0);
  assert.deepEqual(changes[2]?.removed, ['shared.gguf']);
  assert.deepEqual(changes[2].added, []);
  assert.deepEqual(
    fleet.offersOf('shared.gguf').map((offer) => offer.peerId),
    [otherId],
  );
  assert.equal(fleet.node(peerId)?.freeBytes, 2);
});

test('nodes with the same models cost them once, also when their records come at the same time', async () => {
  const { fleet } = scene();
  const models = Array.from({ length: 300 }, (_, i) => someModel(`m${i}.gguf`));
  const nodes = await Promise.all([1, 2, 3, 4, 5].map(() => generateKeyPair('Ed25519')));
  const records = nodes.map((_, i) => recordOf(`x${i}`, models));
  for (const [i, node] of nodes.entries()) fleet.adopt(await head(node, records[i]!, 1, 1), records[i]!, 0);
  assert.equal(fleet.providersOf(someModel('m7.gguf').files[0]!.sha256).length, 5);
  const kept = new Set(fleet.nodes().flatMap(({ record }) => [...record.entries]));
  assert.equal(kept.size, 300);
  for (const entry of kept) assert.equal(fleet.findEntry(entry.hash), entry);
});

test('what is new in a record is taken without a look at the rest of it, and makes what the whole would', async () => {
  const { fleet, changes } = scene();
  const models = Array.from({ length: 2_000 }, (_, i) => someModel(`m${i}.gguf`));
  let looks = 0;
  const watched = models.map((model) => {
    const entry = modelEntry(model, blake3);
    const look = <T>(value: T): T => {
      looks += 1;
      return value;
    };
    return {
      get key(): string {
        return look(entry.key);
      },
      get hash(): string {
        return look(entry.hash);
      },
      bytes: entry.bytes,
      content: entry.content,
    };
  });
  const meta = encodeMeta({ name: 'a', addresses: [] });
  const before = NodeRecord.of(meta, watched);
  fleet.adopt(await head(key, before, 1, 1), before, 0);
  const after = recordOf('a', [...models.slice(3), { ...models[2]!, retired: true }, mine]);
  const signed = await head(key, after, 2, 2);
  const added = [{ ...models[2]!, retired: true as const }, mine].map((model) => modelEntry(model, blake3));
  const removed = ['m:m0.gguf', 'm:m1.gguf', 'm:never there'];
  looks = 0;
  assert.ok(fleet.amend(signed, { baseSeq: 1, added, removed }));
  assert.ok(looks < 200, `looked at ${looks} of 2000 entries`);
  const node = fleet.node(peerId)!;
  assert.deepEqual(
    [...node.record.entries].map(({ hash }) => hash),
    [...after.entries].map(({ hash }) => hash),
  );
  assert.equal(node.modelCount, 1_999);
  assert.equal(node.record.sizeBytes, after.sizeBytes);
  const { added: told, removed: withdrawn } = changes.at(-1)!;
  assert.deepEqual(
    [told.map(({ id }) => id), withdrawn.toSorted()],
    [
      ['m2.gguf', 'mine.gguf'],
      ['m0.gguf', 'm1.gguf'],
    ],
  );
  assert.equal(fleet.offersOf('m2.gguf')[0]?.model.retired, true);
  assert.deepEqual(fleet.offersOf('m0.gguf'), []);
});

test('a delta that does not lead from the known record to the one that is signed changes nothing', async () => {
  const { fleet, changes } = scene();
  const before = recordOf('a', [shared]);
  fleet.adopt(await head(key, before, 5, 1), before, 0);
  const signed = await head(key, recordOf('a', [shared, mine]), 6, 2);
  const added = [modelEntry(mine, blake3)];
  assert.equal(fleet.amend(signed, { baseSeq: 4, added, removed: [] }), false);
  assert.equal(fleet.amend(signed, { baseSeq: 5, added, removed: ['m:shared.gguf'] }), false);
  assert.equal(fleet.node(peerId)?.seq, 5);
  assert.equal(changes.length, 1);
  assert.ok(fleet.amend(signed, { baseSeq: 5, added: [...added, modelEntry(shared, blake3)], removed: [] }));
  assert.equal(fleet.amend(signed, { baseSeq: 6, added, removed: [] }), false, 'a head counts once');
  assert.deepEqual(
    changes.at(-1)?.added.map(({ id }) => id),
    ['mine.gguf'],
  );
});

test('the fleet as a whole is bounded', async () => {
  const { fleet } = scene();
  const entry = modelEntry(someModel('a.gguf'), blake3);
  for (let node = 0; node < 2; node += 1) {
    const large = [1, 2, 3].map((i) => ({
      ...entry,
      key: `m:${i}`,
      hash: `${node}${i}`.padStart(64, '0'),
      bytes: new Uint8Array(10e6),
    }));
    const record = NodeRecord.of(encodeMeta({ name: 'a', addresses: [] }), large);
    const owner = await generateKeyPair('Ed25519');
    fleet.adopt(await head(owner, record, 1, 1), record, 0);
  }
  const large = { ...entry, hash: 'f'.repeat(64), bytes: new Uint8Array(10e6) };
  const record = NodeRecord.of(encodeMeta({ name: 'a', addresses: [] }), [large]);
  const signed = await head(await generateKeyPair('Ed25519'), record, 1, 1);
  assert.throws(() => fleet.adopt(signed, record, 0), /too large/);
  assert.equal(fleet.nodes().length, 2);
});
