import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProvedCertificates } from '../../src/transfer/lane/proved-certificates.ts';

test('a certificate is proved once in an hour, and one that proves nothing each time', async () => {
  const proofs: string[] = [];
  let nowMs = 0;
  const certificates = new ProvedCertificates({
    clock: { now: () => nowMs, monotonic: () => nowMs, sleep: () => Promise.resolve() },
    prove: (certificate) => {
      const text = Buffer.from(certificate).toString();
      proofs.push(text);
      return text === 'false' ? Promise.reject(new Error('proves nothing')) : Promise.resolve(`peer of ${text}`);
    },
  });
  const peerOf = (text: string): Promise<string> => certificates.peerOf(Buffer.from(text));
  assert.equal(await peerOf('a'), 'peer of a');
  assert.equal(await peerOf('a'), 'peer of a');
  assert.equal(await peerOf('b'), 'peer of b');
  await assert.rejects(peerOf('false'));
  await assert.rejects(peerOf('false'));
  assert.deepEqual(proofs, ['a', 'b', 'false', 'false']);
  nowMs = 3_600_001;
  assert.equal(await peerOf('a'), 'peer of a');
  assert.deepEqual(proofs, ['a', 'b', 'false', 'false', 'a']);
});
