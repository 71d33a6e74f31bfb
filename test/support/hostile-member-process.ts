// Members of the fleet that say what no honest node says, in a process of their own, an identity for each attack. Arguments:
// the fleet key file, the address of the daemon to attack, and an absolute path that it must never write to.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { generateKeyPair } from '@libp2p/crypto/keys';
import type { Ed25519PrivateKey } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import { loadBlake3 } from '../../src/content/blake3.ts';
import { manifestCid } from '../../src/content/cid.ts';
import { encodeManifest } from '../../src/content/manifest.ts';
import { makeModel } from '../../src/content/model.ts';
import { parseFleetKey } from '../../src/swarm/fleet-key.ts';
import { FramedStream } from '../../src/swarm/framing.ts';
import { createSwarmNode, type SwarmNode } from '../../src/swarm/node.ts';
import { RECORD_PROTOCOL, RECORDS_TOPIC, SYNC_PROTOCOL } from '../../src/swarm/protocols.ts';
import { encodeMeta, recordHash } from '../../src/swarm/record.ts';
import { modelEntry } from '../../src/swarm/record-entry.ts';
import { signHead } from '../../src/swarm/record-head.ts';
import { EntriesMessage, GossipMessage, HeadsMessage, RecordOutline } from '../../src/swarm/wire/gossip.js';
import { EntryMessage } from '../../src/swarm/wire/record-entry.js';
import { silentLog } from '../../src/util/log.ts';
import { eventually } from './wait.ts';

const [keyFile = '', victim = '', outside = ''] = process.argv.slice(2);
const never = new AbortController().signal;
const blake3 = await loadBlake3();
const meta = encodeMeta({ name: 'hostile', addresses: [] });
const ROUNDS = 3;
const text = (value: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(value);

interface Attack {
  readonly entry?: Uint8Array;
  /** Spoils the head before it is told. */
  readonly head?: (bytes: Uint8Array) => Uint8Array;
  readonly seq?: (round: number) => number;
  /** Sends the record itself. */
  readonly outline?: (frames: FramedStream) => Promise<void>;
}

const honest = honestEntry('good.gguf');
const ATTACKS: Readonly<Record<string, Attack>> = {
  'absolute path': { entry: withPath(outside) },
  'path upwards': { entry: withPath('../../outside.gguf') },
  'path into our folder': { entry: withPath('.shoal/partial/x.gguf') },
  'no UTF-8': { entry: spoilt(honest, (model) => ({ ...model, id: Uint8Array.of(0xff, 0xfe, 0x2f) })) },
  'eight million files': { entry: manyFiles(8e6) },
  'ten million entries': {
    // The length of ten million hashes, and as many of them as are taken.
    outline: async (frames) => {
      frames.stream.send(lengthOf(320e6));
      await frames.write(new Uint8Array(64 << 20).fill(1), never);
    },
  },
  'huge length': {
    outline: async (frames) => {
      frames.stream.send(lengthOf(0xffffffff));
      await frames.read(never);
    },
  },
  'wrong signature': {
    entry: honest,
    head: (bytes) => bytes.map((byte, at) => (at === bytes.length - 1 ? byte ^ 1 : byte)),
  },
  'older sequence number': { entry: honestEntry('older.gguf'), seq: (round) => 1000 - round },
};

const fleetKey = parseFleetKey(await readFile(keyFile, 'utf8'));
for (const [name, attack] of Object.entries(ATTACKS)) {
  const peerId = await carryOut(attack);
  process.stdout.write(`${JSON.stringify({ attack: name, peerId })}\n`);
}
process.stdout.write(`${JSON.stringify({ attack: 'done', peerId: '' })}\n`);
setInterval(() => undefined, 1000);

async function carryOut(attack: Attack): Promise<string> {
  const key = await generateKeyPair('Ed25519');
  const listen = [multiaddr('/ip4/127.0.0.1/tcp/0')];
  const node = await createSwarmNode({ privateKey: key, fleetKey, listen, mdns: false }, { log: silentLog });
  const entry = attack.entry ?? honest;
  const hash = Uint8Array.from(blake3.hash(entry));
  let told = new Uint8Array();
  await node.handle(SYNC_PROTOCOL, async (stream) => {
    const frames = new FramedStream(stream, { maxBytes: 1e7 });
    await frames.write(HeadsMessage.encode({ heads: [] }), never);
    await frames.read(never);
    await frames.close(never);
  });
  await node.handle(RECORD_PROTOCOL, async (stream) => {
    const frames = new FramedStream(stream, { maxBytes: 1e7 });
    try {
      await frames.read(never);
      if (attack.outline !== undefined) {
        await attack.outline(frames);
        return;
      }
      const outline = { head: told, meta: Uint8Array.from(meta), entryHashes: hash };
      await frames.write(RecordOutline.encode(outline), never);
      await frames.read(never);
      await frames.write(EntriesMessage.encode({ entries: [Uint8Array.from(entry)] }), never);
      await frames.close(never);
    } catch {
      // Cut off, as it should be.
    }
  });
  node.services.pubsub.subscribe(RECORDS_TOPIC);
  await node.dial(multiaddr(victim));
  await eventually('it listens', () => node.services.pubsub.getSubscribers(RECORDS_TOPIC).length > 0);
  for (let round = 0; round < ROUNDS; round += 1) {
    const seq = attack.seq?.(round) ?? 1000 + round;
    told = Uint8Array.from(await headOf(key, hash, seq, round + 1));
    if (attack.head !== undefined) told = Uint8Array.from(attack.head(told));
    await publish(node, told);
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  return node.peerId.toString();
}

async function headOf(key: Ed25519PrivateKey, hash: Uint8Array, seq: number, beat: number): Promise<Uint8Array> {
  const head = { seq, beat, recordHash: recordHash(meta, hash, blake3), freeBytes: 0, issuedAt: 0 };
  return (await signHead(head, key)).bytes;
}

async function publish(node: SwarmNode, head: Uint8Array<ArrayBuffer>): Promise<void> {
  await node.services.pubsub.publish(RECORDS_TOPIC, GossipMessage.encode({ head }));
}

function honestEntry(id: string): Uint8Array {
  const sizeBytes = 1000;
  const sha256 = createHash('sha256').update(id).digest('hex');
  const manifest = encodeManifest({ sizeBytes, pieceSizeBytes: 256 * 1024, sha256, pieceHashes: new Uint8Array(32) });
  const file = { path: id, sizeBytes, sha256, manifest: manifestCid(manifest, blake3) };
  return modelEntry(makeModel(id, [], [file]), blake3).bytes;
}

function spoilt(
  entry: Uint8Array,
  change: (model: NonNullable<EntryMessage['model']>) => NonNullable<EntryMessage['model']>,
): Uint8Array {
  const { model } = EntryMessage.decode(entry);
  if (model === undefined) throw new Error('no model');
  return EntryMessage.encode({ model: change(model) });
}

function withPath(path: string): Uint8Array {
  return spoilt(honest, (model) => ({
    ...model,
    id: text(path),
    files: model.files.map((file) => ({ ...file, path: text(path) })),
  }));
}

/** A model of files without any fields: two bytes each on the wire, much more once they are decoded. */
function manyFiles(count: number): Uint8Array {
  const files = Buffer.alloc(2 * count);
  for (let at = 0; at < files.length; at += 2) files[at] = (4 << 3) | 2;
  return Buffer.concat([Uint8Array.of((1 << 3) | 2), varint(files.length), files]);
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  for (let left = value; ; left = Math.floor(left / 128)) {
    if (left < 128) return Uint8Array.from([...bytes, left]);
    bytes.push((left % 128) | 0x80);
  }
}

function lengthOf(bytes: number): Uint8Array {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes);
  return length;
}
