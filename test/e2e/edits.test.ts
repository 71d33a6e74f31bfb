import assert from 'node:assert/strict';
import { copyFile, open, rename, stat, truncate, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { DaemonProcess } from '../support/daemon-process.ts';
import { sha256OfFile } from '../support/hash-file.ts';
import type { HeartbeatConsumer } from '../support/heartbeat-consumer.ts';
import { makeGguf } from '../support/make-gguf.ts';
import { makeSafetensors } from '../support/make-safetensors.ts';
import { randomBytesOf } from '../support/random-body.ts';
import { runShoal } from '../support/run-shoal.ts';
import { digestsIn, TestBed } from '../support/test-bed.ts';
import { eventually } from '../support/wait.ts';

const MIB = 1 << 20;
const SIZE = 16 * MIB;
/** A fetch takes seconds, so that there is a middle of it. */
const UP_LIMIT = '4MiB';
const WITHDRAWN_WITHIN_MS = 2_000;

describe('a file that is changed while it is being served', { timeout: 300_000 }, () => {
  let bed: TestBed;
  let consumer: HeartbeatConsumer;
  let a: DaemonProcess;
  let b: DaemonProcess;

  before(async () => {
    bed = await TestBed.open();
    consumer = await bed.consumer();
    a = await bed.daemon('a', { orchestrators: [consumer.url], args: ['--up-limit', UP_LIMIT] });
    b = await bed.daemon('b', { orchestrators: [consumer.url] });
  });
  after(() => bed[Symbol.asyncDispose]());

  /** Changes the file of `a` when `b` has fetched some of it; returns when `a` has withdrawn it everywhere. */
  async function changeWhileFetched(id: string, change: (file: string) => Promise<void>): Promise<void> {
    const file = join(a.modelsDir, id);
    await consumer.waitFor('a', id, { timeoutMs: 30_000 });
    const before = await a.model(id);
    await b.want(id);
    await eventually(`b fetches ${id}`, async () => {
      const transfer = (await b.transfers()).find(({ model }) => model === id);
      return transfer !== undefined && transfer.bytesDone >= 2 * MIB;
    });
    await change(file);
    const changedAtMs = Date.now();
    const withdrawnAtMs = await eventually(
      'the orchestrator hears that it is gone',
      () => consumer.of('a').find(({ atMs, models }) => atMs >= changedAtMs - 50 && !models.includes(id))?.atMs,
      { everyMs: 10 },
    );
    const lateMs = withdrawnAtMs - changedAtMs;
    assert.ok(lateMs <= WITHDRAWN_WITHIN_MS, `withdrawn from the heartbeats ${lateMs} ms after the change`);
    const now = await a.model(id);
    assert.ok(now.state !== 'installed' || now.digest !== before.digest, 'the API still vouches for the old bytes');
  }

  /** Both ends have the new bytes in the end, and nobody has been called a liar. */
  async function assertSettled(id: string): Promise<void> {
    const sha256 = await sha256OfFile(join(a.modelsDir, id));
    await consumer.waitFor('a', id, { timeoutMs: 30_000 });
    assert.equal((await a.waitForModel(id)).digest, `sha256:${sha256}`);
    assert.equal((await b.waitForModel(id, 'installed', 60_000)).digest, `sha256:${sha256}`);
    assert.equal((await digestsIn(b.modelsDir))[id], sha256);
    const seenByB = (await b.peers()).find(({ peerId }) => peerId === a.peerId);
    assert.deepEqual(
      { blamed: seenByB?.blamed, rejected: seenByB?.rejectedPieces },
      { blamed: undefined, rejected: 0 },
    );
  }

  test('edited in place, with its time of modification put back', async () => {
    const id = 'llm/edited.gguf';
    const made = await makeGguf(join(a.modelsDir, id), { seed: 'edited', sizeBytes: SIZE });
    await changeWhileFetched(id, async (file) => {
      const { atime, mtime } = await stat(file);
      await using handle = await open(file, 'r+');
      await handle.write(randomBytesOf('other', MIB), 0, MIB, 10 * MIB);
      await handle.utimes(atime, mtime);
    });
    assert.equal((await stat(made.file)).size, made.sizeBytes);
    await assertSettled(id);
    assert.notEqual((await a.model(id)).digest, `sha256:${made.sha256}`);
  });

  test('replaced by another of the same size and time', async () => {
    const id = 'llm/replaced.gguf';
    const old = await makeGguf(join(a.modelsDir, id), { seed: 'old', sizeBytes: SIZE });
    const other = await makeGguf(join(bed.directory, 'other.gguf'), { seed: 'new', sizeBytes: SIZE });
    const { atime, mtime } = await stat(old.file);
    await utimes(other.file, atime, mtime);
    await changeWhileFetched(id, (file) => rename(other.file, file));
    await assertSettled(id);
    assert.equal((await a.model(id)).digest, `sha256:${other.sha256}`);
  });

  test('truncated, and then written again', async () => {
    const id = 'checkpoints/cut.safetensors';
    const made = await makeSafetensors(join(a.modelsDir, id), { seed: 'cut', sizeBytes: SIZE });
    const copy = join(bed.directory, 'copy.safetensors');
    await copyFile(made.file, copy);
    await changeWhileFetched(id, (file) => truncate(file, 5 * MIB));
    // Shorter than its own header says: not merely another model.
    const damaged = await a.waitForModel(id, 'corrupt');
    assert.equal(damaged.problem?.code, 'verification-failed');
    assert.equal((await b.model(id)).state === 'installed', false);
    assert.equal(consumer.available('a').includes(id), false);
    await copyFile(copy, made.file);
    await assertSettled(id);
    assert.equal((await a.model(id)).digest, `sha256:${made.sha256}`);
    await truncate(made.file, 5 * MIB);
    await a.waitForModel(id, 'corrupt');
    const found = await runShoal(['verify', 'cut'], { api: a.api });
    assert.deepEqual([found.code, /Delete it/.test(found.stderr)], [5, true], found.stderr);
    const refused = await runShoal(['rm', 'cut'], { api: a.api });
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /damaged and stays: checkpoints\/cut\.safetensors\. Delete/);
  });

  test('nothing that was reported on the way broke the protocol', () => {
    assert.deepEqual(consumer.violations, []);
  });
});
