import assert from 'node:assert/strict';
import { test } from 'node:test';
import { generateKeyPair } from '@libp2p/crypto/keys';
import { multiaddr } from '@multiformats/multiaddr';
import { FramedStream } from '../../src/swarm/framing.ts';
import { type HashRun, signRun, verifyRun } from '../../src/swarm/hash-run.ts';
import { RUNS_PROTOCOL } from '../../src/swarm/protocols.ts';
import { codeOf } from '../../src/util/errors.ts';
import { eventually } from '../support/wait.ts';
import { runSwarm } from './scene.ts';

const DRAFT = 'ab'.repeat(32);
const OTHER = 'cd'.repeat(32);

class Feed {
  readonly runs: HashRun[] = [];
  readonly #listeners = new Set<() => void>();

  get listeners(): number {
    return this.#listeners.size;
  }

  onRun(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  add(run: HashRun): void {
    this.runs.push(run);
    for (const listener of this.#listeners) listener();
  }
}

test('a run is proved by the signature of its reader, whoever passes it on', async () => {
  const key = await generateKeyPair('Ed25519');
  const run = await signRun({ draft: DRAFT, first: 7, hashes: new Uint8Array(64).fill(3) }, key);
  assert.deepEqual(await verifyRun(run.bytes), run);
  assert.equal(run.reader, key.publicKey.toString());
  // They are kept for others: once, and nothing of the frame in which they came.
  const { hashes, bytes } = await verifyRun(Buffer.concat([run.bytes, new Uint8Array(0)]));
  assert.equal(hashes.buffer, bytes.buffer);
  assert.equal(bytes.buffer.byteLength, run.bytes.length);
  for (const at of [10, 60, run.bytes.length - 1]) {
    const spoilt = run.bytes.map((byte, index) => (index === at ? byte ^ 1 : byte));
    await assert.rejects(verifyRun(spoilt), (error) => codeOf(error) === 'invalid');
  }
  const crooked = await signRun({ draft: DRAFT, first: 0, hashes: new Uint8Array(33) }, key);
  await assert.rejects(verifyRun(crooked.bytes), (error) => codeOf(error) === 'invalid');
  const long = await signRun({ draft: DRAFT, first: 0, hashes: new Uint8Array(1025 * 32) }, key);
  await assert.rejects(verifyRun(long.bytes), (error) => codeOf(error) === 'invalid');
  await assert.rejects(verifyRun(new Uint8Array(100_000)), (error) => codeOf(error) === 'invalid');
});

test('runs are told to who asks: those that are known, a mark, and each new one as it comes', async () => {
  await using giver = await runSwarm();
  await using taker = await runSwarm({ bootstrap: giver.swarm.multiaddrs().map((address) => multiaddr(address)) });
  await eventually('they are connected', () => taker.swarm.isConnected(giver.swarm.peerId));
  const feed = new Feed();
  await giver.swarm.runs.serve((draft) => (draft === DRAFT ? feed : undefined));
  const sign = (first: number): Promise<HashRun> =>
    giver.swarm.runs.sign({ draft: DRAFT, first, hashes: new Uint8Array(32).fill(first) });
  feed.add(await sign(0));
  feed.add(await sign(1));
  const heard: (number | 'mark')[] = [];
  const listener = { run: ({ first }: HashRun) => void heard.push(first), upToDate: () => void heard.push('mark') };
  const leaving = new AbortController();
  const { peerId } = giver.swarm;
  const following = taker.swarm.runs.follow(peerId, DRAFT, { maxRuns: 10, listener }, leaving.signal);
  following.catch(() => undefined);
  await eventually('what was known is told', () => heard.length === 3);
  feed.add(await sign(2));
  await eventually('what is new is told', () => heard.length === 4);
  assert.deepEqual(heard, [0, 1, 'mark', 2]);
  leaving.abort();
  await assert.rejects(following);
  await eventually('nobody listens any more', () => feed.listeners === 0);

  const never = new AbortController().signal;
  // Unknown here: it is ended at once.
  await taker.swarm.runs.follow(peerId, OTHER, { maxRuns: 10, listener }, never);
  const greedy = taker.swarm.runs.follow(peerId, DRAFT, { maxRuns: 2, listener }, never);
  await assert.rejects(greedy, (error) => codeOf(error) === 'source-lied');
});

test('runs of another file, and what nobody has signed, are a lie of who tells them', async () => {
  await using liar = await runSwarm();
  await using taker = await runSwarm({ bootstrap: liar.swarm.multiaddrs().map((address) => multiaddr(address)) });
  await eventually('they are connected', () => taker.swarm.isConnected(liar.swarm.peerId));
  const other = await liar.swarm.runs.sign({ draft: OTHER, first: 0, hashes: new Uint8Array(32) });
  const answers = [other.bytes, new Uint8Array(50).fill(9), new Uint8Array(200_000)];
  const signal = new AbortController().signal;
  await liar.swarm.handle(
    RUNS_PROTOCOL,
    async (stream) => {
      const frames = new FramedStream(stream, { maxBytes: 1000 });
      await frames.expect(signal);
      await frames.write(answers.shift() as Uint8Array, signal);
      await frames.read(signal);
    },
    { maxInboundStreams: 8 },
  );
  const listener = { run: () => assert.fail('it was taken'), upToDate: () => undefined };
  for (let turn = 0; turn < 3; turn += 1) {
    const following = taker.swarm.runs.follow(liar.swarm.peerId, DRAFT, { maxRuns: 10, listener }, signal);
    await assert.rejects(following, (error) => codeOf(error) === 'source-lied');
  }
});
