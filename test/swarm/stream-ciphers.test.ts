import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { type ICryptoInterface, noise } from '@chainsafe/libp2p-noise';
import { defaultCrypto } from '@chainsafe/libp2p-noise/crypto';
import { yamux } from '@chainsafe/libp2p-yamux';
import { generateKeyPair } from '@libp2p/crypto/keys';
import type { Libp2p, Stream } from '@libp2p/interface';
import { preSharedKey } from '@libp2p/pnet';
import { tcp } from '@libp2p/tcp';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { Uint8ArrayList } from 'uint8arraylist';
import { sendAll } from '../../src/swarm/framing.ts';
import { createSwarmNode, type SwarmNode } from '../../src/swarm/node.ts';
import { noiseCrypto } from '../../src/swarm/noise-crypto.ts';
import { loadStreamCiphers, type StreamCiphers } from '../../src/swarm/stream-ciphers.ts';
import { silentLog } from '../../src/util/log.ts';
import { fleetKey, never } from './scene.ts';

const ECHO = '/test/echo/1';

function ciphers(): StreamCiphers {
  const loaded = loadStreamCiphers();
  assert.ok(loaded !== undefined, 'libsodium has a binary for the platforms that tests run on');
  return loaded;
}

test('packets that one side seals the other side of libp2p opens, and the other way round', () => {
  const ours = noiseCrypto(ciphers());
  const key = randomBytes(32);
  const nonce = randomBytes(12);
  for (const length of [0, 1, 1199, 65_519]) {
    const plain = randomBytes(length);
    const before = Buffer.from(plain);
    const parts = listOf(plain.subarray(0, length >> 1), plain.subarray(length >> 1));
    for (const ad of [new Uint8Array(0), randomBytes(32)]) {
      for (const given of [plain, parts]) {
        const sealed = ours.chaCha20Poly1305Encrypt(given, nonce, ad, key).subarray();
        assert.deepEqual(plain, before, 'what was sealed is left as it was');
        assert.deepEqual(
          Buffer.from(defaultCrypto.chaCha20Poly1305Decrypt(Buffer.from(sealed), nonce, ad, key).subarray()),
          plain,
        );
      }
      const theirs = defaultCrypto.chaCha20Poly1305Encrypt(plain, nonce, ad, key).subarray();
      const kept = Buffer.from(theirs);
      assert.deepEqual(Buffer.from(ours.chaCha20Poly1305Decrypt(theirs, nonce, ad, key).subarray()), plain);
      assert.deepEqual(Buffer.from(theirs), kept, 'a packet of the handshake is hashed after it was opened');
      const split = listOf(theirs.subarray(0, 7), theirs.subarray(7));
      assert.deepEqual(Buffer.from(ours.chaCha20Poly1305Decrypt(split, nonce, ad, key, theirs).subarray()), plain);
    }
  }
});

test('a packet with one changed bit is not opened', () => {
  const ours = noiseCrypto(ciphers());
  const key = randomBytes(32);
  const nonce = randomBytes(12);
  const sealed = Buffer.from(ours.chaCha20Poly1305Encrypt(randomBytes(5000), nonce, new Uint8Array(0), key).subarray());
  for (const at of [0, 2500, sealed.length - 1]) {
    const changed = Buffer.from(sealed);
    changed[at] = (changed[at] ?? 0) ^ 1;
    assert.throws(() => ours.chaCha20Poly1305Decrypt(changed, nonce, new Uint8Array(0), key));
  }
  assert.throws(() => ours.chaCha20Poly1305Decrypt(sealed.subarray(0, 15), nonce, new Uint8Array(0), key));
});

const KINDS = {
  'with libsodium': () => swarmNode(),
  'without it': () => swarmNode('libp2p'),
  'of plain libp2p': () =>
    createLibp2p({
      addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
      transports: [tcp()],
      connectionProtector: preSharedKey({ psk: fleetKey }),
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      connectionGater: { denyDialMultiaddr: () => false },
    }),
} satisfies Record<string, () => Promise<Libp2p>>;

for (const [dialler, listener] of [
  ['with libsodium', 'with libsodium'],
  ['with libsodium', 'of plain libp2p'],
  ['of plain libp2p', 'with libsodium'],
  ['without it', 'with libsodium'],
] as const) {
  test(`a node ${dialler} dials one ${listener}: they are of one private network`, async () => {
    const [from, to] = await Promise.all([KINDS[dialler](), KINDS[listener]()]);
    try {
      await to.handle(ECHO, (stream) => void echo(stream));
      const stream = await from.dialProtocol(to.getMultiaddrs(), ECHO);
      const sent = randomBytes(3 * 1024 * 1024 + 17);
      const [received] = await Promise.all([readAll(stream), sendAll(stream, sent, never).then(() => stream.close())]);
      assert.ok(Buffer.from(received).equals(sent));
    } finally {
      await Promise.all([from.stop(), to.stop()]);
    }
  });
}

async function swarmNode(ciphers?: 'libp2p'): Promise<SwarmNode> {
  const privateKey = await generateKeyPair('Ed25519');
  const listen = [multiaddr('/ip4/127.0.0.1/tcp/0')];
  return createSwarmNode(
    { privateKey, fleetKey, listen, mdns: false, ...(ciphers === undefined ? {} : { ciphers }) },
    { log: silentLog },
  );
}

type Packet = Parameters<ICryptoInterface['chaCha20Poly1305Encrypt']>[0];

function listOf(...parts: Uint8Array[]): Packet {
  // Two releases of one package: the same thing, with other types.
  return new Uint8ArrayList(...parts) as unknown as Packet;
}

async function echo(stream: Stream): Promise<void> {
  for await (const part of stream) await sendAll(stream, part, never);
  await stream.close();
}

async function readAll(stream: Stream): Promise<Uint8Array> {
  const received = new Uint8ArrayList();
  for await (const part of stream) received.append(part);
  return received.subarray();
}
