import assert from 'node:assert/strict';
import { test } from 'node:test';
import { generateKeyPair } from '@libp2p/crypto/keys';
import type { Ed25519PrivateKey } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import { generateFleetKey, parseFleetKey } from '../../src/swarm/fleet-key.ts';
import { FramedStream } from '../../src/swarm/framing.ts';
import { createSwarmNode, type SwarmNode } from '../../src/swarm/node.ts';
import { RECORD_PROTOCOL, RECORDS_TOPIC, SYNC_PROTOCOL } from '../../src/swarm/protocols.ts';
import { encodeMeta, NodeRecord, recordHash } from '../../src/swarm/record.ts';
import { modelEntry, type RecordEntry } from '../../src/swarm/record-entry.ts';
import { type SignedHead, signHead } from '../../src/swarm/record-head.ts';
import { EntriesMessage, GossipMessage, HeadsMessage, RecordOutline } from '../../src/swarm/wire/gossip.js';
import { EntryMessage } from '../../src/swarm/wire/record-entry.js';
import {
  addressOf,
  blake3,
  fleetKey,
  hexOf,
  type LoggedLine,
  listeningLog,
  never,
  type RunningSwarm,
  rejectsWith,
  runSwarm,
  someModel,
  until,
} from './scene.ts';

/** A member of the fleet that says what it likes. */
class Liar implements AsyncDisposable {
  readonly key: Ed25519PrivateKey;
  readonly node: SwarmNode;
  heads: Uint8Array[] = [];
  outline: (frames: FramedStream) => Promise<void> = (frames) => frames.close(never);

  private constructor(key: Ed25519PrivateKey, node: SwarmNode) {
    this.key = key;
    this.node = node;
  }

  static async start(): Promise<Liar> {
    const privateKey = await generateKeyPair('Ed25519');
    const listen = [multiaddr('/ip4/127.0.0.1/tcp/0')];
    const { log } = listeningLog();
    const liar = new Liar(privateKey, await createSwarmNode({ privateKey, fleetKey, listen, mdns: false }, { log }));
    await liar.node.handle(SYNC_PROTOCOL, async (stream) => {
      const frames = new FramedStream(stream, { maxBytes: 1e7 });
      await frames.write(
        HeadsMessage.encode({ heads: liar.heads.map((head) => ({ head: Uint8Array.from(head), ageMs: 0 })) }),
        never,
      );
      await frames.read(never);
      await frames.close(never);
    });
    await liar.node.handle(RECORD_PROTOCOL, async (stream) => {
      const frames = new FramedStream(stream, { maxBytes: 1e7 });
      await frames.read(never);
      await liar.outline(frames).catch(() => undefined);
    });
    liar.node.services.pubsub.subscribe(RECORDS_TOPIC);
    return liar;
  }

  get peerId(): string {
    return this.key.publicKey.toString();
  }

  sign(recordHashHex: string, seq: number, beat = 1): Promise<SignedHead> {
    return signHead({ seq, beat, recordHash: recordHashHex, freeBytes: 0, issuedAt: 0 }, this.key);
  }

  async publish(message: Uint8Array): Promise<void> {
    await this.node.services.pubsub.publish(RECORDS_TOPIC, message);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.node.stop();
  }
}

interface Scene extends AsyncDisposable {
  readonly liar: Liar;
  readonly victim: RunningSwarm;
  readonly lines: readonly LoggedLine[];
  warnings(): string[];
}

async function meet(): Promise<Scene> {
  const { log, lines } = listeningLog();
  const victim = await runSwarm({ name: 'victim' }, { log });
  const liar = await Liar.start();
  await liar.node.dial(addressOf(victim));
  await until('gossip', () => liar.node.services.pubsub.getSubscribers(RECORDS_TOPIC).length === 1);
  return {
    liar,
    victim,
    lines,
    warnings: () => lines.filter(({ level }) => level === 'warn').map(({ msg, reason }) => `${msg}: ${String(reason)}`),
    async [Symbol.asyncDispose]() {
      await liar[Symbol.asyncDispose]();
      await victim[Symbol.asyncDispose]();
    },
  };
}

const meta = encodeMeta({ name: 'liar', addresses: [] });
const text = (value: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(value);

/** An entry whose bytes are what the liar likes. */
function rawEntry(message: EntryMessage): RecordEntry {
  const bytes = EntryMessage.encode(message);
  const hash = Buffer.from(blake3.hash(bytes)).toString('hex');
  return { ...modelEntry(someModel('a.gguf'), blake3), bytes, hash };
}

function spoilt(change: (model: NonNullable<EntryMessage['model']>) => object): RecordEntry {
  const { model } = EntryMessage.decode(modelEntry(someModel('a.gguf'), blake3).bytes);
  return rawEntry({ model: { ...model!, ...change(model!) } });
}

test('entries with paths that lead elsewhere or text that is no UTF-8 are refused, and logged once', async () => {
  await using scene = await meet();
  const { liar, victim } = scene;
  const bad = [
    spoilt((model) => ({
      id: text('/etc/x.gguf'),
      files: model.files.map((file) => ({ ...file, path: text('/etc/x.gguf') })),
    })),
    spoilt((model) => ({ files: model.files.map((file) => ({ ...file, path: text('../../x.gguf') })) })),
    spoilt((model) => ({ files: model.files.map((file) => ({ ...file, path: text('a.gguf/.shoal/x') })) })),
    spoilt(() => ({ id: Uint8Array.of(0xff, 0xfe) })),
    rawEntry({}),
  ];
  let seq = 0;
  for (const entry of [...bad, ...bad]) {
    seq += 1;
    const hash = recordHash(meta, Buffer.from(entry.hash, 'hex'), blake3);
    const { bytes } = await liar.sign(hash, seq);
    liar.outline = async (frames) => {
      const outline = {
        head: Uint8Array.from(bytes),
        meta: Uint8Array.from(meta),
        entryHashes: Uint8Array.from(Buffer.from(entry.hash, 'hex')),
      };
      await frames.write(RecordOutline.encode(outline), never);
      await frames.read(never);
      await frames.write(EntriesMessage.encode({ entries: [Uint8Array.from(entry.bytes)] }), never);
    };
    await liar.publish(GossipMessage.encode({ head: Uint8Array.from(bytes) }));
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  await until('refused', () => scene.warnings().length > 0);
  assert.equal(
    scene.warnings().filter((line) => line.startsWith('record refused')).length,
    1,
    scene.warnings().join('\n'),
  );
  assert.equal(victim.swarm.fleet.nodes().length, 0);
});

test('a delta with a hostile entry is refused like a whole record', async () => {
  await using scene = await meet();
  const { liar, victim } = scene;
  const record = NodeRecord.of(meta, [modelEntry(someModel('good.gguf'), blake3)]);
  const first = await liar.sign(record.hash(blake3), 1);
  liar.outline = async (frames) => {
    const entryHashes = Uint8Array.from(record.entries.hashes);
    await frames.write(
      RecordOutline.encode({ head: Uint8Array.from(first.bytes), meta: Uint8Array.from(meta), entryHashes }),
      never,
    );
    await frames.read(never);
    await frames.write(
      EntriesMessage.encode({ entries: [...record.entries].map(({ bytes }) => Uint8Array.from(bytes)) }),
      never,
    );
  };
  await liar.publish(GossipMessage.encode({ head: Uint8Array.from(first.bytes) }));
  await until('the honest record', () => victim.swarm.fleet.offersOf('good.gguf').length === 1);

  const entry = spoilt((model) => ({ files: model.files.map((file) => ({ ...file, path: text('../x') })) }));
  const second = await liar.sign(hexOf('x'), 2);
  const delta = { baseSeq: 1, added: [Uint8Array.from(entry.bytes)], removed: [] };
  await liar.publish(GossipMessage.encode({ head: Uint8Array.from(second.bytes), delta }));
  await until('refused', () => scene.warnings().some((line) => line.startsWith('gossip refused')));
  assert.deepEqual([...victim.swarm.fleet.models().keys()], ['good.gguf']);
});

test('ten million entries, huge lengths and endless entries cost no memory', async () => {
  const hash = recordHash(meta, new Uint8Array(32), blake3);
  const attacks: ((frames: FramedStream, head: Uint8Array<ArrayBuffer>) => Promise<void>)[] = [
    // Ten million hashes, were they sent: the length alone is refused.
    (frames) =>
      frames
        .write(new Uint8Array(2 ** 20).fill(1), never)
        .then(() => frames.stream.send(Uint8Array.of(0x13, 0x12, 0xd0, 0)) as never),
    (frames) => Promise.resolve(frames.stream.send(Uint8Array.of(0xff, 0xff, 0xff, 0xff)) as never),
    async (frames, head) => {
      await frames.write(
        RecordOutline.encode({ head, meta: Uint8Array.from(meta), entryHashes: new Uint8Array(32) }),
        never,
      );
      await frames.read(never);
      for (let i = 0; i < 1000; i += 1)
        await frames.write(EntriesMessage.encode({ entries: [new Uint8Array(2 ** 20)] }), never);
    },
    async (frames, head) => {
      await frames.write(
        RecordOutline.encode({ head, meta: new Uint8Array(2 ** 20), entryHashes: new Uint8Array(0) }),
        never,
      );
    },
  ];
  const before = process.memoryUsage().rss;
  for (const attack of attacks) {
    // Who has lied once is not asked again soon, so each attack is a stranger's.
    await using scene = await meet();
    const { liar, victim } = scene;
    const { bytes } = await liar.sign(hash, 1);
    const ended = new Promise<void>((resolve) => {
      liar.outline = async (frames) => {
        try {
          await attack(frames, Uint8Array.from(bytes));
          await frames.read(AbortSignal.timeout(2000)).catch(() => undefined);
        } catch {
          // Cut off, as it should be.
        } finally {
          resolve();
        }
      };
    });
    await liar.publish(GossipMessage.encode({ head: Uint8Array.from(bytes) }));
    await ended;
    await until('refused', () => scene.warnings().length > 0);
    assert.equal(scene.warnings().filter((line) => line.startsWith('record refused')).length, 1);
    assert.equal(victim.swarm.fleet.nodes().length, 0);
  }
  const grown = process.memoryUsage().rss - before;
  assert.ok(grown < 100 * 2 ** 20, `grew by ${Math.round(grown / 2 ** 20)} MiB`);
});

test('who has sent a hostile record is not asked for another one soon', async () => {
  await using scene = await meet();
  const { liar } = scene;
  let asked = 0;
  liar.outline = async (frames) => {
    asked += 1;
    await frames.write(Uint8Array.of(255, 255, 255), never);
    await frames.close(never);
  };
  const tell = async (seq: number): Promise<void> => {
    const { bytes } = await liar.sign(hexOf('x'), seq);
    await liar.publish(GossipMessage.encode({ head: Uint8Array.from(bytes) }));
  };
  await tell(1);
  await until('refused', () => scene.warnings().some((line) => line.startsWith('record refused')));
  for (let seq = 2; seq < 5; seq += 1) await tell(seq);
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(asked, 1);
});

test('a head with a wrong signature, or in the name of another, is refused and logged once', async () => {
  await using scene = await meet();
  const { liar, victim } = scene;
  for (let beat = 1; beat < 4; beat += 1) {
    const { bytes } = await liar.sign(hexOf('x'), 1, beat);
    const forged = Uint8Array.from(bytes);
    forged[forged.length - 1] = forged[forged.length - 1]! ^ 1;
    await liar.publish(GossipMessage.encode({ head: forged }));
  }
  await liar.publish(Uint8Array.of(255, 255, 255));
  await until('refused', () => scene.warnings().some((line) => line.startsWith('gossip refused')));
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(scene.warnings().filter((line) => line.startsWith('gossip refused')).length, 1);
  assert.equal(victim.swarm.fleet.nodes().length, 0);
});

test("nobody can announce in another node's name, or bring back what it said before", async () => {
  const { log, lines } = listeningLog();
  await using victim = await runSwarm({ name: 'victim' }, { log });
  const heads: Uint8Array[] = [];
  await using honest = await runSwarm({ name: 'honest', bootstrap: [addressOf(victim)] });
  honest.swarm.gossip.update([someModel('old.gguf')], []);
  await until('old', () => victim.swarm.fleet.offersOf('old.gguf').length === 1);
  heads.push(victim.swarm.fleet.node(honest.swarm.peerId)!.headBytes);
  honest.swarm.gossip.update([someModel('new.gguf')], []);
  await until('new', () => victim.swarm.fleet.offersOf('new.gguf').length === 1);

  await using liar = await Liar.start();
  liar.heads = heads;
  await liar.node.dial(addressOf(victim));
  await until('gossip', () => liar.node.services.pubsub.getSubscribers(RECORDS_TOPIC).length >= 1);
  for (let i = 0; i < 3; i += 1)
    await liar.publish(
      GossipMessage.encode({ head: Uint8Array.from(heads[0]!), delta: { baseSeq: i, added: [], removed: [] } }),
    );
  await until('logged', () => lines.some(({ msg }) => msg.startsWith('record refused: older')));
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(lines.filter(({ msg }) => msg.startsWith('record refused: older')).length, 1);
  assert.deepEqual([...victim.swarm.fleet.models().keys()], ['new.gguf']);
});

test('who has another fleet key cannot open a connection, and is noted once', async () => {
  const { log, lines } = listeningLog();
  await using victim = await runSwarm({ name: 'victim' }, { log });
  const stranger = listeningLog();
  const otherKey = parseFleetKey(generateFleetKey());
  await using other = await runSwarm({ fleetKey: otherKey, bootstrap: [addressOf(victim)] }, { log: stranger.log });
  await until('noted', () =>
    lines.some(({ msg }) => msg.startsWith('connection refused: the other side does not hold')),
  );
  await until('told', () => stranger.lines.some(({ msg }) => msg.startsWith('bootstrap peer not reached')), 8000);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  assert.equal(lines.filter(({ level }) => level === 'warn').length, 1);
  assert.equal(stranger.lines.filter(({ level }) => level === 'warn').length, 1);
  assert.equal(victim.swarm.connectedPeers().length, 0);
  await rejectsWith('source-gone', other.swarm.openStream(victim.swarm.peerId, SYNC_PROTOCOL, never));
});
