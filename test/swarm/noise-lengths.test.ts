import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noise } from '@chainsafe/libp2p-noise';
import { generateKeyPair } from '@libp2p/crypto/keys';
import type { Logger, Upgrader } from '@libp2p/interface';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { multiaddrConnectionPair } from '@libp2p/utils';
import { withCheapLengths } from '../../src/swarm/noise-lengths.ts';

interface Decoder {
  decode(bytes: Uint8Array): Iterable<{ subarray(): Uint8Array }>;
  lengthDecoder(received: Uint8Array): number;
}

test('the end of a packet costs noise no error, and packets that come byte by byte are whole', async () => {
  const [outbound, inbound] = multiaddrConnectionPair();
  const [dialler, listener] = await Promise.all([encrypter(), encrypter()]);
  const secured = await Promise.all([dialler.secureOutbound(outbound), listener.secureInbound(inbound)]);
  for (const { connection } of secured) {
    const { decoder } = connection as unknown as { decoder: Decoder };
    assert.equal(decoder.lengthDecoder(Uint8Array.of()), 0);
    assert.equal(decoder.lengthDecoder(Uint8Array.of(1)), 0);
    assert.equal(decoder.lengthDecoder(Uint8Array.of(1, 2)), 258);
    const packets: number[][] = [];
    for (const byte of [0, 3, 7, 8, 9, 0, 1, 6]) {
      for (const packet of decoder.decode(Uint8Array.of(byte))) packets.push([...packet.subarray()]);
    }
    assert.deepEqual(packets, [[7, 8, 9], [6]]);
  }
});

const silent: Logger = Object.assign(() => undefined, {
  enabled: false,
  error: () => undefined,
  trace: () => undefined,
  newScope: () => silent,
});

async function encrypter() {
  const privateKey = await generateKeyPair('Ed25519');
  const upgrader = { getStreamMuxers: () => new Map() } as unknown as Upgrader;
  return withCheapLengths(noise())({
    ...{ peerId: peerIdFromPrivateKey(privateKey), privateKey, upgrader },
    logger: { forComponent: () => silent },
  });
}
