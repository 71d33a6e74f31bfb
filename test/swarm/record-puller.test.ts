import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { generateKeyPair } from '@libp2p/crypto/keys';
import type { Stream } from '@libp2p/interface';
import { KnownEntries } from '../../src/swarm/known-entries.ts';
import { NoteOnce } from '../../src/swarm/note-once.ts';
import { NodeRecord } from '../../src/swarm/record.ts';
import { modelEntry } from '../../src/swarm/record-entry.ts';
import { signHead } from '../../src/swarm/record-head.ts';
import { RecordPuller } from '../../src/swarm/record-puller.ts';
import { EntriesMessage, RecordOutline } from '../../src/swarm/wire/gossip.js';
import { silentLog } from '../../src/util/log.ts';
import { blake3, never, someModel } from './scene.ts';

type Opening = (signal: AbortSignal) => Promise<Stream>;

const nothing = { findEntry: () => undefined };

/** Peers that are connected, whose streams open as the test says. */
function pullerAmong(peers: Map<string, Opening>): { puller: RecordPuller; asked: string[] } {
  const asked: string[] = [];
  const puller = new RecordPuller({
    entries: new KnownEntries({ own: nothing, fleet: nothing, blake3 }),
    fleet: {} as never,
    links: {
      isConnected: (peerId: string) => peers.has(peerId),
      openStream: (peerId: string, _protocol: string, signal: AbortSignal) => {
        asked.push(peerId);
        return peers.get(peerId)?.(signal);
      },
    } as never,
    blake3,
    log: silentLog,
    noted: new NoteOnce(),
  });
  return { puller, asked };
}

async function somebody(): Promise<string> {
  return (await generateKeyPair('Ed25519')).publicKey.toString();
}

/** A line that has been cut without a word. */
const silent: Opening = (signal) =>
  new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
const refusing: Opening = () => Promise.reject(new Error('not now'));

async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await nextTurn();
}

test('peers whose lines are dead do not keep the records of others from being fetched', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const [dead1, dead2, alive] = [await somebody(), await somebody(), await somebody()];
  const { puller, asked } = pullerAmong(
    new Map([
      [dead1, silent],
      [dead2, silent],
      [alive, refusing],
    ]),
  );
  for (const owner of [dead1, dead2, alive]) puller.pull(owner, owner, 0, never);
  await settled();
  assert.deepEqual(asked, [dead1, dead2]);
  t.mock.timers.tick(30_000);
  await settled();
  assert.deepEqual(asked, [dead1, dead2, alive]);
});

/** As much of a libp2p stream as frames need; the other side says what the test lets it say. */
class ScriptedStream extends EventTarget {
  readonly status = 'open';
  readonly readStatus = 'readable';
  readonly writeStatus = 'writable';
  readonly writableNeedsDrain = false;
  aborted = false;
  send = (): boolean => true;
  close = (): Promise<void> => Promise.resolve();

  abort(): void {
    this.aborted = true;
  }

  says(message: Uint8Array): void {
    const frame = Buffer.alloc(4 + message.length);
    frame.writeUInt32BE(message.length);
    frame.set(message, 4);
    this.dispatchEvent(Object.assign(new Event('message'), { data: new Uint8Array(frame) }));
  }
}

test('a record that comes a little at a time, for ever, is given up, and its sender avoided', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const key = await generateKeyPair('Ed25519');
  const models = Array.from({ length: 200 }, (_, n) => someModel(`model-${n}.gguf`));
  const meta = { name: 'slow', addresses: [] };
  const record = NodeRecord.empty(meta).with({ gone: [], fresh: models.map((model) => modelEntry(model, blake3)) });
  const signed = await signHead({ seq: 1, beat: 1, recordHash: record.hash(blake3), freeBytes: 0, issuedAt: 0 }, key);
  const slow = key.publicKey.toString();
  const stream = new ScriptedStream();
  const { puller, asked } = pullerAmong(new Map([[slow, () => Promise.resolve(stream as unknown as Stream)]]));
  puller.pull(slow, slow, 0, never);
  await settled();
  const { bytes: head } = signed;
  const parts = { head, meta: record.metaBytes, entryHashes: record.entries.hashes };
  stream.says(
    RecordOutline.encode({
      head: Uint8Array.from(parts.head),
      meta: Uint8Array.from(parts.meta),
      entryHashes: Uint8Array.from(parts.entryHashes),
    }),
  );
  let sent = 0;
  for (const { bytes } of record.entries) {
    await settled();
    if (stream.aborted) break;
    stream.says(EntriesMessage.encode({ entries: [Uint8Array.from(bytes)] }));
    await settled();
    sent += 1;
    t.mock.timers.tick(10_000);
  }
  assert.ok(sent < 10, `${sent} entries, one each ten seconds`);
  puller.pull(slow, slow, 0, never);
  await settled();
  assert.deepEqual(asked, [slow]);
});
