import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  decodeManifest,
  encodeManifest,
  MANIFEST_MAX_BYTES,
  type Manifest,
  manifestMaxBytes,
  pieceHash,
} from '../../src/content/manifest.ts';
import { geometryOf } from '../../src/content/piece-geometry.ts';
import { ManifestMessage } from '../../src/content/wire/manifest.js';
import { ShoalError } from '../../src/util/errors.ts';
import { hexOf, manifests } from './arbitraries.ts';

const isInvalid = (error: unknown): boolean => error instanceof ShoalError && error.code === 'invalid';

function manifestOf(sizeBytes: number): Manifest {
  const { pieceSizeBytes, pieceCount } = geometryOf(sizeBytes);
  return { sizeBytes, pieceSizeBytes, sha256: '5a'.repeat(32), pieceHashes: new Uint8Array(pieceCount * 32).fill(7) };
}

function decodeOrRefuse(bytes: Uint8Array): Manifest | undefined {
  try {
    return decodeManifest(bytes);
  } catch (error) {
    assert.ok(isInvalid(error), String(error));
    return undefined;
  }
}

test('a manifest reads back as it was written', () => {
  fc.assert(
    fc.property(manifests, (manifest) => {
      assert.deepEqual(decodeManifest(encodeManifest(manifest)), manifest);
    }),
  );
});

test('a manifest is no larger than its size allows for, and hardly smaller', () => {
  fc.assert(
    fc.property(manifests, (manifest) => {
      const spareBytes = manifestMaxBytes(manifest.sizeBytes) - encodeManifest(manifest).length;
      assert.ok(spareBytes >= 0 && spareBytes <= 128, String(spareBytes));
    }),
  );
  assert.equal(manifestMaxBytes(2 ** 50), MANIFEST_MAX_BYTES);
});

test('the bytes of a manifest never change from version to version', () => {
  // Size 5, pieces of 256 KiB, sha256, one piece hash: a CID that changed would split the fleet.
  const fixed = `0805108080101a20${'5a'.repeat(32)}2220${'07'.repeat(32)}`;
  assert.equal(hexOf(encodeManifest(manifestOf(5))), fixed);
  // The empty blob has no size field and no pieces.
  assert.equal(hexOf(encodeManifest(manifestOf(0))), `108080101a20${'5a'.repeat(32)}`);
});

test('changed bytes are refused, or are the one encoding of another manifest', () => {
  const change = fc.record({
    kind: fc.constantFrom('flip', 'insert', 'remove', 'cut'),
    at: fc.nat(),
    value: fc.nat(255),
  });
  fc.assert(
    fc.property(manifests, fc.array(change, { minLength: 1, maxLength: 3 }), (manifest, changes) => {
      const original = [...encodeManifest(manifest)];
      const bytes = [...original];
      for (const { kind, at, value } of changes) {
        // Most changes at the head, where the structure is.
        const index = at % Math.min(bytes.length + 1, 80);
        if (kind === 'flip' && index < bytes.length) bytes[index] = (bytes[index] ?? 0) ^ value;
        else if (kind === 'insert') bytes.splice(index, 0, value);
        else if (kind === 'remove') bytes.splice(index, 1);
        else if (kind === 'cut') bytes.length = index;
      }
      const decoded = decodeOrRefuse(Uint8Array.from(bytes));
      if (decoded === undefined) return;
      assert.deepEqual([...encodeManifest(decoded)], bytes);
      if (hexOf(Uint8Array.from(bytes)) !== hexOf(Uint8Array.from(original))) assert.notDeepEqual(decoded, manifest);
    }),
    { numRuns: 1000 },
  );
});

test('every single flipped bit is noticed', () => {
  const manifest = manifestOf(5);
  const bytes = encodeManifest(manifest);
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const flipped = bytes.slice();
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    const decoded = decodeOrRefuse(flipped);
    if (decoded !== undefined) assert.notDeepEqual(decoded, manifest, `bit ${bit}`);
  }
});

test('no bytes whatever make the decoder fail otherwise', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      decodeOrRefuse(bytes);
    }),
    { numRuns: 1000 },
  );
});

test('a second spelling of the same manifest is refused', () => {
  const bytes = Buffer.from(encodeManifest(manifestOf(5)));
  const spellings = {
    'an unknown field': Buffer.concat([bytes, Buffer.from('2801', 'hex')]),
    'a field twice': Buffer.concat([Buffer.from('0805', 'hex'), bytes]),
    'fields in another order': Buffer.concat([bytes.subarray(2), bytes.subarray(0, 2)]),
    'a long form of a number': Buffer.concat([Buffer.from('088500', 'hex'), bytes.subarray(2)]),
    'a default that is written out': Buffer.concat([Buffer.from('0800', 'hex'), encodeManifest(manifestOf(0))]),
  };
  for (const [what, spelling] of Object.entries(spellings))
    assert.throws(() => decodeManifest(spelling), isInvalid, what);
});

test('parts that do not fit each other are refused, both ways', () => {
  const good = manifestOf(300 * 1024);
  const bad: Manifest[] = [
    { ...good, pieceSizeBytes: 512 * 1024 },
    { ...good, sizeBytes: 300 },
    { ...good, sizeBytes: 2 ** 51 },
    { ...good, sizeBytes: -1 },
    { ...good, pieceHashes: good.pieceHashes.subarray(1) },
    { ...good, pieceHashes: new Uint8Array(96) },
    { ...good, sha256: 'ab' },
  ];
  for (const manifest of bad) {
    assert.throws(() => encodeManifest(manifest), isInvalid);
    const message = {
      ...manifest,
      sha256: Uint8Array.from(Buffer.from(manifest.sha256, 'hex')),
      pieceHashes: new Uint8Array(manifest.pieceHashes),
    };
    if (manifest.sizeBytes >= 0) assert.throws(() => decodeManifest(ManifestMessage.encode(message)), isInvalid);
  }
});

test('huge lengths are refused before anything is allocated', () => {
  const before = process.memoryUsage().arrayBuffers;
  // A piece hash field that claims 4 GiB, a size of 2^64 − 1, nested groups a hundred thousand deep.
  const claims = ['22ffffffff0f', '08ffffffffffffffffff01', '2b'.repeat(100_000)];
  for (const claim of claims) assert.throws(() => decodeManifest(Buffer.from(claim, 'hex')), isInvalid);
  assert.ok(process.memoryUsage().arrayBuffers - before < 8 * 1024 * 1024);
  // Never filled, so the system gives no memory for it.
  assert.throws(() => decodeManifest(new Uint8Array(MANIFEST_MAX_BYTES + 1)), isInvalid);
});

test('a manifest keeps its hashes when the buffer that it came in is used again', () => {
  const bytes = encodeManifest(manifestOf(5));
  const manifest = decodeManifest(bytes);
  bytes.fill(0);
  assert.equal(hexOf(pieceHash(manifest, 0)), '07'.repeat(32));
});

test('a piece outside the manifest has no hash', () => {
  const manifest = manifestOf(5);
  for (const index of [-1, 1, 0.5, Number.NaN]) assert.throws(() => pieceHash(manifest, index), RangeError);
});
