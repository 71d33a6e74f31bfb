import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import type { DaemonProcess } from '../support/daemon-process.ts';
import { makeGguf } from '../support/make-gguf.ts';
import { makeLora } from '../support/make-safetensors.ts';
import { type HangableMount, mountHangable, needsFuse } from '../support/mounts.ts';
import { digestsIn, TestBed } from '../support/test-bed.ts';
import { assertSaysStalled, fetched } from './stall-watch.ts';

const MIB = 1 << 20;
const M = 'llm/m.gguf';
const LORA = 'loras/small.safetensors';
const ARGS = ['--origin-limit', '8MiB'];
/** A machine that several test runs share answers late; one that hangs does not answer. */
const ANSWERS_WITHIN_MS = 2_000;

async function assertAnswers(daemon: DaemonProcess): Promise<void> {
  for (const path of ['/healthz', '/v1/node', '/v1/transfers', '/v1/models', '/v1/origins', '/metrics']) {
    const startMs = performance.now();
    const { status } = await daemon.request('GET', path);
    const ms = performance.now() - startMs;
    assert.equal(status, 200);
    assert.ok(ms < ANSWERS_WITHIN_MS, `${path} took ${Math.round(ms)} ms`);
  }
}

/** A request that FUSE has taken cannot be interrupted, not even by a SIGKILL: before daemons are ended, it is answered. */
function answersAgain(mount: HangableMount): AsyncDisposable {
  return {
    [Symbol.asyncDispose]() {
      mount.resume();
      return Promise.resolve();
    },
  };
}

for (const published of [true, false]) {
  const which = published ? 'published' : 'unpublished';
  test(`a hung mount of ${which} files holds up its own transfer and nothing else`, {
    timeout: 180_000,
    skip: needsFuse,
  }, async (t) => {
    const bed = await TestBed.open({ context: t });
    const nas = await bed.makeDirectory('nas');
    const made = await makeGguf(join(nas, M), { seed: 'mount', sizeBytes: 48 * MIB });
    if (published) await bed.publish(nas);
    const web = await bed.makeDirectory('web');
    const lora = await makeLora(join(web, LORA), { seed: 'small', sizeBytes: 4 * MIB });
    await bed.publish(web);
    const origin = await bed.origin(web);
    const mount = bed.own(await mountHangable(nas, await bed.makeDirectory('mnt')));
    const origins = [pathToFileURL(mount.directory).href, origin.url];
    const daemon = await bed.daemon('a', { args: ARGS, origins });
    bed.own(answersAgain(mount));
    await daemon.want(M);
    await fetched(daemon, M, 4 * MIB);

    mount.hang();
    await assertAnswers(daemon);
    await daemon.want(LORA);
    await daemon.waitForModel(LORA, 'installed', 30_000);
    await assertSaysStalled(daemon, M);
    await assertAnswers(daemon);
    await daemon.json('/v1/models/llm/m.gguf/pin', 'PUT');

    mount.resume();
    await daemon.waitForModel(M, 'installed', 90_000);
    assert.deepEqual(await digestsIn(daemon.modelsDir), { [M]: made.sha256, [LORA]: lora.sha256 });
  });
}

test('a daemon ends within 5 s although a mount hangs, and goes on after it', {
  timeout: 180_000,
  skip: needsFuse,
}, async (t) => {
  const bed = await TestBed.open({ context: t });
  const nas = await bed.makeDirectory('nas');
  const made = await makeGguf(join(nas, M), { seed: 'end', sizeBytes: 48 * MIB });
  await bed.publish(nas);
  const mount = bed.own(await mountHangable(nas, await bed.makeDirectory('mnt')));
  const daemon = await bed.daemon('a', { args: ARGS, origins: [pathToFileURL(mount.directory).href] });
  bed.own(answersAgain(mount));
  await daemon.want(M);
  await fetched(daemon, M, 12 * MIB);
  mount.hang();
  await assertSaysStalled(daemon, M);

  process.kill(daemon.pid, 'SIGTERM');
  assert.ok((await daemon.log.waitFor('ended', 5_000)) !== undefined, 'it did not end within 5 s');
  // Everything is saved and closed. A read that the mount's server had already taken when it froze is one that the kernel
  // lets nobody leave, not even by SIGKILL: then the process goes when the mount answers.
  const gone = await Promise.race([daemon.exited.then(() => true), delay(3_000).then(() => false)]);
  if (!gone) {
    mount.resume();
    await daemon.exited;
    mount.hang();
  }

  // With the mount still dead it starts, and says what it lacks.
  await daemon.start();
  await assertAnswers(daemon);
  assert.notEqual((await daemon.model(M)).state, 'installed');
  mount.resume();
  await daemon.waitForModel(M, 'installed', 90_000);
  assert.deepEqual(await digestsIn(daemon.modelsDir), { [M]: made.sha256 });
  const [transfer] = await daemon.transfers();
  const received = transfer?.sources.reduce((sum, { bytes }) => sum + bytes, 0) ?? 0;
  assert.ok(received <= made.sizeBytes - 10 * MIB, `${received} bytes were fetched after the restart`);
});
