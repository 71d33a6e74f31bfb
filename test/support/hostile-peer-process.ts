// The process behind `HostilePeer`: a real node of the swarm that announces a model and cheats when it is asked for it.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { generateKeyPair } from '@libp2p/crypto/keys';
import type { Stream } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import { Bitfield } from '../../src/content/bitfield.ts';
import { loadBlake3 } from '../../src/content/blake3.ts';
import { manifestCid } from '../../src/content/cid.ts';
import { encodeManifest } from '../../src/content/manifest.ts';
import { makeModel } from '../../src/content/model.ts';
import { geometryOf, pieceLength, pieceOffset } from '../../src/content/piece-geometry.ts';
import { parseFleetKey } from '../../src/swarm/fleet-key.ts';
import { sendAll } from '../../src/swarm/framing.ts';
import { Swarm } from '../../src/swarm/swarm.ts';
import {
  ANSWER_BYTES,
  decodeRequest,
  encodeAnswer,
  MAX_DATA_BYTES,
  PIECE_PROTOCOL,
  type PieceAnswer,
  REQUEST_BYTES,
  RecordReader,
} from '../../src/transfer/piece-wire.ts';
import { systemClock } from '../../src/util/clock.ts';
import { silentLog } from '../../src/util/log.ts';
import { Metrics } from '../../src/util/metrics.ts';
import { systemRandom } from '../../src/util/random.ts';
import type { HostilePeerFact, HostilePeerOptions } from './hostile-peer.ts';

const options = JSON.parse(process.argv[2] ?? '') as HostilePeerOptions;
const { pieces: trick, manifest: manifestTrick = 'right' } = options;
const until = new AbortController().signal;
const report = (fact: HostilePeerFact): boolean => process.stdout.write(`${JSON.stringify(fact)}\n`);

const truth = await readFile(options.model.file);
const sha256 = createHash('sha256').update(truth).digest('hex');
/** What it serves: the truth, or bytes that fit its false manifest. */
const isTrue = manifestTrick === 'right' || manifestTrick === 'other-file';
const bytes = isTrue ? truth : Buffer.from(truth).fill(0x5a, truth.length >> 1);
const sizeBytes = manifestTrick === 'wrong-size' ? 2 ** 45 : bytes.length;
const geometry = geometryOf(bytes.length);
const blake3 = await loadBlake3();
const manifestBytes = makeManifest();
const manifest = manifestCid(manifestBytes, blake3);

const swarm = await Swarm.start(
  {
    privateKey: await generateKeyPair('Ed25519'),
    fleetKey: parseFleetKey(await readFile(options.fleetKeyFile, 'utf8')),
    name: options.name,
    listen: [multiaddr('/ip4/127.0.0.1/tcp/0')],
    bootstrap: options.bootstrap.map((address) => multiaddr(address)),
    mdns: false,
  },
  { log: silentLog, metrics: new Metrics(), clock: systemClock, random: systemRandom },
);
await swarm.handle(PIECE_PROTOCOL, serve, { maxInboundStreams: 64 });
await swarm.haveMaps.serve(() => ({ complete: true, have: Bitfield.full(geometry.pieceCount) }));
await swarm.manifests.serve((cid) =>
  Promise.resolve(cid === manifest && manifestTrick !== 'not-given' ? manifestBytes : undefined),
);
const { id } = options.model;
swarm.gossip.update([makeModel(id, [], [{ path: id, sizeBytes, sha256, manifest }])], []);
report({ kind: 'ready', peerId: swarm.peerId, listen: swarm.multiaddrs(), manifest });
await swarm.run(until);

function makeManifest(): Uint8Array {
  const hashes: Uint8Array[] = [];
  for (let index = 0; index < geometry.pieceCount; index += 1) hashes.push(blake3.hash(pieceOf(index)));
  const named = manifestTrick === 'other-file' ? createHash('sha256').update('another').digest('hex') : sha256;
  const { pieceSizeBytes } = geometry;
  return encodeManifest({
    sizeBytes: bytes.length,
    pieceSizeBytes,
    sha256: named,
    pieceHashes: new Uint8Array(Buffer.concat(hashes)),
  });
}

function pieceOf(index: number): Buffer {
  const offset = pieceOffset(geometry, index);
  return bytes.subarray(offset, offset + pieceLength(geometry, index));
}

/** Answers in order, one request after the other, as the protocol wants it; what it says is another matter. */
function serve(stream: Stream): void {
  const reader = new RecordReader(REQUEST_BYTES);
  let work: Promise<void> = Promise.resolve();
  stream.addEventListener('message', ({ data }) => {
    for (const part of data instanceof Uint8Array ? [data] : data) {
      for (let rest = part; rest.length > 0; ) {
        const { taken, record } = reader.read(rest);
        rest = rest.subarray(taken);
        const request = record === undefined ? undefined : decodeRequest(record);
        if (request?.kind !== 'get') continue;
        work = work.then(() => answer(stream, request)).catch(() => undefined);
      }
    }
  });
}

async function answer(stream: Stream, { id: request, index }: { id: number; index: number }): Promise<void> {
  const piece = Buffer.from(pieceOf(index));
  const half = piece.subarray(0, piece.length >> 1);
  const isBad = trick.kind === 'flip' ? index % trick.every === trick.every >> 1 : trick.kind !== 'honest';
  report({ kind: 'asked', index, bad: isBad });
  const send = (answerOf: PieceAnswer, body?: Uint8Array): Promise<void> =>
    sendAll(stream, Buffer.concat([encodeAnswer(answerOf), body ?? new Uint8Array()]), until);
  const data = async (of: number, body: Uint8Array): Promise<void> => {
    for (let at = 0; at < body.length; at += MAX_DATA_BYTES) {
      const part = body.subarray(at, at + MAX_DATA_BYTES);
      await send({ kind: 'data', id: of, bytes: part.length }, part);
    }
  };
  switch (trick.kind) {
    case 'honest':
      await data(request, piece);
      break;
    case 'flip':
      if (isBad) piece[piece.length >> 1] = (piece[piece.length >> 1] ?? 0) ^ 0x10;
      await data(request, piece);
      break;
    case 'short':
      await data(request, half);
      await stream.close();
      break;
    case 'long':
      await data(request, Buffer.concat([piece, new Uint8Array(1)]));
      break;
    case 'endless':
      for (;;) await data(request, piece);
    case 'silent':
      break;
    case 'half':
      await data(request, half);
      await new Promise(() => undefined);
      break;
    case 'wrong-id':
      await data(request + 77, piece);
      break;
    case 'garbage':
      await sendAll(stream, new Uint8Array(ANSWER_BYTES).fill(0xff), until);
      break;
    case 'denies':
      await send({ kind: 'not-held', id: request, bytes: 0 });
      break;
    case 'busy':
      await send({ kind: 'busy', id: request, bytes: 0 });
      break;
  }
}
