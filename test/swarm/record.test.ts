import assert from 'node:assert/strict';
import { test } from 'node:test';
import { generateKeyPair } from '@libp2p/crypto/keys';
import fc from 'fast-check';
import { type Model, makeModel } from '../../src/content/model.ts';
import { decodeMeta, encodeMeta, NodeRecord } from '../../src/swarm/record.ts';
import { decodeEntry, modelEntry, partialEntry } from '../../src/swarm/record-entry.ts';
import { type SignedHead, signHead, verifyHead } from '../../src/swarm/record-head.ts';
import { EntryMessage } from '../../src/swarm/wire/record-entry.js';
import { HeadMessage, SignedHeadMessage } from '../../src/swarm/wire/record-head.js';
import { codeOf, ShoalError } from '../../src/util/errors.ts';
import { blake3, hexOf, rejectsWith, someModel } from './scene.ts';

const meta = {
  name: 'gpu-1',
  addresses: ['/ip4/192.168.1.4/tcp/7421'],
  lane: '192.168.1.4:7422',
  api: 'http://gpu-1:7420',
};

const segment = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
  .filter(
    (name) => name.isWellFormed() && !/[\p{Cc}/\\]/u.test(name) && !name.startsWith('.') && !name.endsWith('.part'),
  );
const model = fc
  .record({
    folder: segment,
    names: fc.uniqueArray(segment, { minLength: 1, maxLength: 5 }),
    // A name that is given twice arrives once.
    aliases: fc.uniqueArray(segment, { maxLength: 4 }),
    sizeBytes: fc.nat({ max: 2 ** 40 }),
  })
  .map(({ folder, names, aliases, sizeBytes }): Model => {
    const files = names.map((file) => {
      const like = someModel(file);
      return { ...like.files[0]!, path: `${folder}/${file}`, sizeBytes };
    });
    return makeModel(folder, aliases, files, { format: 'gguf', name: 'Some 7B', parameters: 7e9, contextLength: 8192 });
  });

function refusesEntry(message: EntryMessage): void {
  assert.throws(
    () => decodeEntry(EntryMessage.encode(message), blake3),
    (error) => codeOf(error) === 'invalid',
    JSON.stringify(message).slice(0, 200),
  );
}

/** The wire form of an honest model, to spoil. */
function honest(): NonNullable<EntryMessage['model']> {
  return EntryMessage.decode(modelEntry(someModel('loras/a.safetensors'), blake3).bytes).model!;
}

const text = (value: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(value);

test('property: a model is the same after the journey', () => {
  fc.assert(
    fc.property(model, (sent) => {
      const entry = modelEntry(sent, blake3);
      const arrived = decodeEntry(entry.bytes, blake3);
      assert.equal(arrived.key, entry.key);
      assert.equal(arrived.hash, entry.hash);
      assert.ok(arrived.content.kind === 'model');
      assert.deepEqual(arrived.content.model, sent);
    }),
    { numRuns: 200 },
  );
});

test('property: bytes that are no entry are refused as invalid, and nothing else happens', () => {
  const spoilt = fc.tuple(model, fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 8 }));
  fc.assert(
    fc.property(spoilt, ([sent, flips]) => {
      const bytes = modelEntry(sent, blake3).bytes.slice();
      for (const [at, value] of flips) bytes[at % bytes.length] = value;
      try {
        const { content } = decodeEntry(bytes, blake3);
        // Whatever passes obeys the rules of paths.
        if (content.kind === 'model') {
          for (const { path } of content.model.files) assert.doesNotMatch(path, /(^|\/)\.|^\/|\\|\/\/|\p{Cc}/u);
        }
      } catch (error) {
        assert.ok(error instanceof ShoalError && error.code === 'invalid', String(error));
      }
    }),
    { numRuns: 500 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      try {
        decodeEntry(bytes, blake3);
      } catch (error) {
        assert.equal(codeOf(error), 'invalid', String(error));
      }
    }),
    { numRuns: 500 },
  );
});

test('paths that lead anywhere else are refused', () => {
  for (const path of [
    '/etc/passwd',
    '../../x.gguf',
    'loras/../../x.gguf',
    'loras//a',
    '.shoal/partial/x',
    'a\\b',
    'a\0b',
    '',
  ]) {
    refusesEntry({
      model: { ...honest(), id: text(path), files: honest().files.map((f) => ({ ...f, path: text(path) })) },
    });
    refusesEntry({ model: { ...honest(), files: honest().files.map((file) => ({ ...file, path: text(path) })) } });
  }
  refusesEntry({
    model: { ...honest(), files: honest().files.map((file) => ({ ...file, path: text('other/b.gguf') })) },
  });
});

test('texts that are not UTF-8 are refused, not mended', () => {
  const bad = Uint8Array.of(0x61, 0xc3, 0x28);
  refusesEntry({ model: { ...honest(), id: bad } });
  refusesEntry({ model: { ...honest(), aliases: [bad] } });
  refusesEntry({ model: { ...honest(), files: honest().files.map((file) => ({ ...file, path: bad })) } });
  refusesEntry({ model: { ...honest(), metadata: { format: text('gguf'), name: bad } } });
  assert.throws(() => decodeMeta(encodeMeta({ ...meta, name: 'x\u0000' })), /cannot be shown/);
});

test('digests, sizes and counts that cannot be right are refused', () => {
  refusesEntry({ model: { ...honest(), digest: new Uint8Array(31) } });
  refusesEntry({ model: { ...honest(), digest: new Uint8Array(32) } });
  refusesEntry({ model: { ...honest(), files: [] } });
  refusesEntry({ model: { ...honest(), files: [...honest().files, ...honest().files] } });
  refusesEntry({ model: { ...honest(), files: honest().files.map((file) => ({ ...file, sizeBytes: 2 ** 52 })) } });
  refusesEntry({ model: { ...honest(), aliases: Array.from({ length: 17 }, (_, i) => text(`a${i}`)) } });
  refusesEntry({ model: { ...honest(), files: honest().files.map((file) => ({ ...file, manifest: text('bafy') })) } });
  refusesEntry({ partial: { sha256: new Uint8Array(5), sizeBytes: 1, manifest: text('x') } });
  refusesEntry({});
});

test('fields that a newer node adds are ignored', () => {
  const entry = modelEntry(someModel('a.gguf'), blake3);
  // Field 99, length-delimited, three bytes.
  const newer = Uint8Array.of(...entry.bytes, 0x9a, 0x06, 3, 1, 2, 3);
  assert.deepEqual(decodeEntry(newer, blake3).content, entry.content);
});

test('a change costs no second encoding, and gives the record that was built from scratch', () => {
  const entries = Array.from({ length: 200 }, (_, i) => modelEntry(someModel(`m/${i}.gguf`), blake3));
  const file = someModel('p.gguf').files[0]!;
  const partial = partialEntry({ sha256: file.sha256, sizeBytes: file.sizeBytes, manifest: file.manifest }, blake3);
  const before = NodeRecord.of(encodeMeta(meta), entries);
  const after = before.with({ fresh: [partial], gone: [entries[7]!] });
  const anew = NodeRecord.of(encodeMeta(meta), [partial, ...entries.filter((_, i) => i !== 7)]);
  assert.equal(after.hash(blake3), anew.hash(blake3));
  assert.equal(after.sizeBytes, anew.sizeBytes);
  assert.notEqual(after.hash(blake3), before.hash(blake3));
  assert.deepEqual(after.meta, meta);
});

test('a record above the limits is refused', () => {
  const entry = modelEntry(someModel('a.gguf'), blake3);
  const many = Array.from({ length: 100_001 }, (_, i) => ({
    ...entry,
    key: `m:${i}`,
    hash: String(i).padStart(64, '0'),
  }));
  assert.throws(() => NodeRecord.of(encodeMeta(meta), many), /too large/);
  const large = many.slice(0, 3).map((small) => ({ ...small, bytes: new Uint8Array(12 * 2 ** 20) }));
  assert.throws(() => NodeRecord.of(encodeMeta(meta), large), /too large/);
});

test('addresses that are not TCP, lanes and APIs that are none are refused', () => {
  for (const address of [
    '/unix/tmp/sock',
    '/ip4/1.2.3.4/udp/1',
    '/ip4/1.2.3/tcp/1',
    '/ip4/1.2.3.4/tcp/0',
    '/ip4/1.2.3.4/tcp/99999',
    'x',
  ]) {
    assert.throws(() => decodeMeta(encodeMeta({ ...meta, addresses: [address] })), { code: 'invalid' }, address);
  }
  assert.throws(() => decodeMeta(encodeMeta({ ...meta, lane: 'nowhere' })), { code: 'invalid' });
  assert.throws(() => decodeMeta(encodeMeta({ ...meta, api: 'file:///etc/passwd' })), { code: 'invalid' });
  assert.deepEqual(
    decodeMeta(encodeMeta({ ...meta, addresses: ['/dns4/gpu-1.lan/tcp/7421', '/ip6/fd00::1/tcp/1'] })).addresses.length,
    2,
  );
});

test('a head is believed only with the signature of the one it names', async () => {
  const key = await generateKeyPair('Ed25519');
  const fields = { seq: 5, beat: 7, recordHash: hexOf('record'), freeBytes: 1e12, issuedAt: 1 };
  const signed = await signHead(fields, key);
  assert.deepEqual((await verifyHead(signed.bytes)).head, { ...fields, peerId: key.publicKey.toString() });

  const { head, signature } = SignedHeadMessage.decode(signed.bytes);
  const withDisk = { ...fields, totalBytes: 2e12 };
  const told = await verifyHead((await signHead(withDisk, key)).bytes);
  assert.deepEqual(told.head, { ...withDisk, peerId: key.publicKey.toString() }, 'older nodes do not tell their disk');
  const other = await generateKeyPair('Ed25519');
  const inAnothersName = HeadMessage.encode({
    ...HeadMessage.decode(head),
    peerId: Uint8Array.from(other.publicKey.toMultihash().bytes),
  });
  await rejectsWith('invalid', verifyHead(SignedHeadMessage.encode({ head: inAnothersName, signature })));
  for (let at = 0; at < signed.bytes.length; at += 1) {
    const spoilt = signed.bytes.slice();
    spoilt[at] = spoilt[at]! ^ 1;
    // A bit of the envelope may mean nothing; no bit may change what is believed.
    const believed = await verifyHead(spoilt).catch((error: unknown) => codeOf(error));
    assert.deepEqual(believed === 'invalid' ? signed.head : (believed as SignedHead).head, signed.head);
  }
  await rejectsWith('invalid', verifyHead(new Uint8Array(10_000)));
  const rsaLike = HeadMessage.encode({ ...HeadMessage.decode(head), peerId: Uint8Array.of(0x12, 2, 1, 2) });
  await rejectsWith('invalid', verifyHead(SignedHeadMessage.encode({ head: rsaLike, signature })));
});

test('a file too short to be one is refused before anything is decoded', () => {
  const files = Buffer.alloc(2 * 100_000);
  for (let at = 0; at < files.length; at += 2) files[at] = (4 << 3) | 2;
  const length = Uint8Array.of((files.length & 0x7f) | 0x80, ((files.length >> 7) & 0x7f) | 0x80, files.length >> 14);
  const entry = Buffer.concat([Uint8Array.of((1 << 3) | 2), length, files]);
  assert.throws(() => decodeEntry(entry, blake3), /a file described in 0 bytes/);
});
