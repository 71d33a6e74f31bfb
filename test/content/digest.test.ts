import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatDigest, isSha256, parseDigest } from '../../src/content/digest.ts';
import { ShoalError } from '../../src/util/errors.ts';
import { sha256s } from './arbitraries.ts';

test('a digest reads back from every way of writing it', () => {
  fc.assert(
    fc.property(sha256s, (sha256) => {
      assert.equal(isSha256(sha256), true);
      assert.equal(formatDigest(sha256), `sha256:${sha256}`);
      for (const text of [sha256, formatDigest(sha256), sha256.toUpperCase()]) assert.equal(parseDigest(text), sha256);
    }),
  );
});

test('what is no sha256 is refused with a remedy', () => {
  const hex = 'ab'.repeat(32);
  for (const text of [
    '',
    'sha256:',
    hex.slice(1),
    `${hex}0`,
    `sha512:${hex}`,
    `${hex}\n`,
    `sha256:sha256:${hex}`,
    'g'.repeat(64),
  ]) {
    assert.throws(
      () => parseDigest(text),
      (error) => error instanceof ShoalError && error.code === 'invalid' && error.remedy !== undefined,
      text,
    );
  }
  assert.equal(isSha256(hex.toUpperCase()), false);
});
