import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Draft } from '../../src/content/draft.ts';
import { DraftReading } from '../../src/flows/draft-reading.ts';
import type { HashRun } from '../../src/swarm/hash-run.ts';
import type { RunListener } from '../../src/swarm/run-exchange.ts';
import { BlameLedger } from '../../src/transfer/blame.ts';
import { TransferMetrics } from '../../src/transfer/transfer-metrics.ts';
import { codeOf } from '../../src/util/errors.ts';
import { silentLog } from '../../src/util/log.ts';
import { Metrics } from '../../src/util/metrics.ts';
import { seededRandom } from '../../src/util/random.ts';
import { VirtualClock } from '../transfer/virtual-clock.ts';
import { hashOf } from './draft-fleet.ts';

const PIECES = 40;
const PIECE_BYTES = 256 * 1024;
const DRAFT: Draft = {
  id: 'ab'.repeat(32),
  path: 'm.gguf',
  sizeBytes: PIECES * PIECE_BYTES,
  modifiedNs: '1',
  manifest: 'cid',
};
const MEMBERS = ['relayer', 'other'];

/** One node that hears from members what the test makes them say. */
class Hearer implements AsyncDisposable {
  readonly clock = new VirtualClock();
  readonly refused = new Set<string>();
  readonly blame = new BlameLedger({ clock: this.clock, log: silentLog, metrics: new Metrics() });
  readonly reading: DraftReading;
  readonly heard = new Map<string, RunListener>();
  readonly logged: Uint8Array[] = [];
  mountReads = 0;
  /** Reads of the mount take until it is true. */
  mountAnswers = true;
  ended: unknown;
  readonly #stop = new AbortController();
  readonly #running: Promise<unknown>;

  constructor(options: { readonly log?: readonly Uint8Array[] } = {}) {
    const { clock } = this;
    this.reading = new DraftReading(
      {
        draft: DRAFT,
        self: 'self',
        fetchers: () => MEMBERS,
        isReachable: () => true,
        isMember: (peerId) => MEMBERS.includes(peerId),
        hasCompany: () => true,
        refused: this.refused,
      },
      {
        ...{ clock, log: silentLog, random: seededRandom(5), blame: this.blame },
        metrics: new TransferMetrics(new Metrics()),
        mount: { hash: (piece, signal) => this.#hash(piece.offset / PIECE_BYTES, signal) },
        runs: {
          sign: (run) => Promise.resolve({ ...run, reader: 'self', bytes: run.hashes }),
          follow: async (peerId, _draft, { listener }, signal) => {
            this.heard.set(peerId, listener);
            await clock.sleep(1e9, signal);
          },
        },
        runLog: {
          read: () => Promise.resolve([...(options.log ?? [])]),
          append: (bytes) => Promise.resolve(void this.logged.push(bytes)),
          close: () => Promise.resolve(),
        },
      },
    );
    this.#running = this.reading.run(this.#stop.signal).catch((error: unknown) => {
      this.ended = error;
    });
  }

  tell(relayer: string, run: Omit<HashRun, 'draft' | 'bytes'>): void {
    const listener = this.heard.get(relayer);
    assert.ok(listener !== undefined, `${relayer} is not followed`);
    listener.run({ draft: DRAFT.id, bytes: run.hashes, ...run });
  }

  blamed(): string[] {
    return this.blame.list().map(({ id }) => id.id);
  }

  async #hash(index: number, signal: AbortSignal): Promise<Uint8Array> {
    this.mountReads += 1;
    while (!this.mountAnswers) await this.clock.sleep(10, signal);
    return hashOf('v1', index);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new DOMException('over', 'AbortError'));
    await this.clock.drive(this.#running, 10_000);
  }
}

function hashes(version: string, first: number, count: number): Uint8Array {
  return Buffer.concat(Array.from({ length: count }, (_, at) => hashOf(version, first + at)));
}

test('for lies that are signed with keys which nobody bears, who passes them on is blamed, and heard no more', async () => {
  await using node = new Hearer();
  await node.clock.advance(300);
  for (let key = 0; key < 20; key += 1)
    node.tell('relayer', { reader: `throwaway ${key}`, first: key, hashes: hashes('a lie', key, 1) });
  await node.clock.advance(2_000);
  assert.equal(codeOf(node.ended), 'source-lied');
  assert.deepEqual(node.blamed(), ['relayer']);
  assert.deepEqual([...node.refused], ['relayer']);
});

test('what is true of a reader that has left is taken from who passes it on, and lies of a member are its own', async () => {
  await using node = new Hearer();
  await node.clock.advance(300);
  node.tell('relayer', { reader: 'has left', first: 0, hashes: hashes('v1', 0, 10) });
  await node.clock.advance(1_000);
  assert.equal(node.reading.growing.known.count, 10);
  node.tell('relayer', { reader: 'other', first: 10, hashes: hashes('a lie', 10, 10) });
  await node.clock.advance(1_000);
  assert.deepEqual(node.blamed(), ['other']);
});

test('a run that no honest node would have passed on is blamed on who did', async () => {
  await using node = new Hearer();
  await node.clock.advance(300);
  node.tell('relayer', { reader: 'other', first: PIECES - 1, hashes: hashes('v1', 0, 2) });
  assert.deepEqual(node.blamed(), ['relayer']);
  assert.equal(node.reading.growing.known.count, 0);
});

test('whoever disputes everything costs one read of the mount, and nothing more when it is found out', async () => {
  await using node = new Hearer();
  await node.clock.advance(300);
  node.tell('other', { reader: 'other', first: 0, hashes: hashes('v1', 0, PIECES) });
  await node.clock.advance(3_000);
  const { mountReads } = node;
  node.mountAnswers = false;
  for (let again = 0; again < 50; again += 1)
    node.tell('relayer', { reader: 'relayer', first: 0, hashes: hashes('a lie', 0, PIECES) });
  await node.clock.advance(100);
  assert.equal(node.mountReads, mountReads + 1);
  node.mountAnswers = true;
  await node.clock.advance(100);
  node.tell('relayer', { reader: 'relayer', first: 0, hashes: hashes('a lie', 0, PIECES) });
  await node.clock.advance(100);
  assert.equal(node.mountReads, mountReads + 1);
  assert.deepEqual(node.blamed(), ['relayer']);
  assert.equal(node.ended, undefined);
});

test('who is blamed for something else may still have read this file rightly', async () => {
  await using node = new Hearer();
  await node.clock.advance(300);
  const strike = { reason: 'piece-corrupt', sha256: 'cd'.repeat(32), piece: 1, detail: 'of another file' } as const;
  node.blame.strike({ kind: 'peer', id: 'other' }, strike);
  node.tell('relayer', { reader: 'other', first: 0, hashes: hashes('v1', 0, 5) });
  assert.equal(node.reading.growing.known.count, 5);
});

test('a log that cannot be taken up keeps nobody from beginning', async () => {
  await using node = new Hearer({ log: [new Uint8Array(40)] });
  await node.reading.resume();
  assert.equal(node.reading.growing.known.count, 0);
});

test('nothing is kept of what comes after the end', async () => {
  const node = new Hearer();
  await node.clock.advance(300);
  await node[Symbol.asyncDispose]();
  node.tell('relayer', { reader: 'other', first: 0, hashes: hashes('v1', 0, 5) });
  assert.deepEqual(node.logged, []);
});
