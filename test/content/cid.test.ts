import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { loadBlake3 } from '../../src/content/blake3.ts';
import { blobCid, manifestCid, parseManifestCid } from '../../src/content/cid.ts';
import { ShoalError } from '../../src/util/errors.ts';
import { blake3 } from './arbitraries.ts';

const isInvalid = (error: unknown): boolean => error instanceof ShoalError && error.code === 'invalid';

test('the CID of a manifest is spelled out by hand: version 1, protobuf, 32 bytes of BLAKE3, base32', async () => {
  const base32 = (bytes: Uint8Array): string => {
    const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
    return (bits.match(/.{1,5}/g) ?? [])
      .map((five) => 'abcdefghijklmnopqrstuvwxyz234567'[Number.parseInt(five.padEnd(5, '0'), 2)])
      .join('');
  };
  const bytes = Buffer.from('some bytes');
  const expected = `b${base32(Buffer.concat([Uint8Array.of(1, 0x50, 0x1e, 32), blake3.hash(bytes)]))}`;
  assert.equal(manifestCid(bytes, blake3), expected);
  assert.equal(manifestCid(bytes, await loadBlake3('wasm')), expected);
  const sha256 = createHash('sha256').update('x').digest();
  assert.equal(
    blobCid(sha256.toString('hex')),
    `b${base32(Buffer.concat([Uint8Array.of(1, 0x55, 0x12, 32), sha256]))}`,
  );
});

test('every CID of a manifest is taken as it is, and none that differs in a letter', () => {
  fc.assert(
    fc.property(
      fc.uint8Array(),
      fc.nat(),
      fc.constantFrom('a', 'b', 'z', '2', '7', 'A', '=', '-'),
      (bytes, at, letter) => {
        const cid = manifestCid(bytes, blake3);
        assert.equal(parseManifestCid(cid), cid);
        const index = at % cid.length;
        const other = cid.slice(0, index) + letter + cid.slice(index + 1);
        // A digest may be any 32 bytes, so what is accepted must at least be canonical.
        try {
          assert.equal(parseManifestCid(other), other);
          assert.match(other, /^b[a-z2-7]{58}$/);
        } catch (error) {
          assert.ok(isInvalid(error), String(error));
        }
      },
    ),
  );
});

test('CIDs of other things and other spellings are refused', () => {
  const cid = manifestCid(new Uint8Array(3), blake3);
  const others = [
    '',
    'b',
    cid.slice(1),
    cid.toUpperCase(),
    `${cid}a`,
    ` ${cid}`,
    cid.slice(0, -2),
    blobCid('00'.repeat(32)),
    'QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG',
    'a'.repeat(1_000_000),
    '../../../etc/passwd',
  ];
  for (const text of others) assert.throws(() => parseManifestCid(text), isInvalid, text.slice(0, 80));
});

test('no text whatever makes the parser fail otherwise', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.string({ unit: 'binary' }),
        fc.base64String().map((text) => `b${text}`),
      ),
      (text) => {
        assert.throws(() => parseManifestCid(text), isInvalid);
      },
    ),
  );
});
