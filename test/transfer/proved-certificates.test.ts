import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProvedCertificates } from '../../src/transfer/lane/proved-certificates.ts';

test('a certificate is proved once in an hour, and one that proves nothing each time', async () => {
  const proofs: string[] = [];
  let nowMs = 0;
  const certificates = new ProvedCertificates({
    clock: { monotonic: () => nowMs },
    isMember: () => true,
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

test('however many certificates strangers show, those of members stay known, and of too many the oldest goes', async () => {
  let proofs = 0;
  const certificates = new ProvedCertificates({
    clock: { monotonic: () => 0 },
    isMember: (peerId) => peerId.startsWith('member'),
    prove: (certificate) => {
      proofs += 1;
      return Promise.resolve(Buffer.from(certificate).toString());
    },
  });
  const proofsOf = async (text: string): Promise<number> => {
    const before = proofs;
    assert.equal(await certificates.peerOf(Buffer.from(text)), text);
    return proofs - before;
  };
  assert.equal(await proofsOf('member 0'), 1);
  for (let n = 0; n < 2000; n += 1) assert.equal(await proofsOf(`stranger ${n}`), 1);
  assert.equal(await proofsOf('stranger 1999'), 1);
  assert.equal(await proofsOf('member 0'), 0);
  for (let n = 1; n <= 1000; n += 1) await proofsOf(`member ${n}`);
  assert.equal(await proofsOf('member 1'), 0);
  assert.equal(await proofsOf('member 0'), 1);
});
