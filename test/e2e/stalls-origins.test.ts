import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeGguf } from '../support/make-gguf.ts';
import { needsNginx } from '../support/nginx.ts';
import { digestsIn, TestBed } from '../support/test-bed.ts';
import { assertLeftInTime, assertSaysStalled, fetched, leftSource, transferOf } from './stall-watch.ts';

const MIB = 1 << 20;
const M = 'llm/m.gguf';
const ARGS = ['--log-level', 'debug', '--origin-limit', '8MiB'];

test('an HTTP origin that stalls in the middle of an answer is left within 3 s; alone, the fetch waits for it and says so', {
  timeout: 180_000,
}, async (t) => {
  const bed = await TestBed.open({ context: t });
  const nas = await bed.makeDirectory('nas');
  const made = await makeGguf(join(nas, M), { seed: 'origin', sizeBytes: 32 * MIB });
  await bed.publish(nas);
  const first = await bed.origin(nas);
  const second = await bed.origin(nas);
  const idOf = ({ url }: { url: string }): string => url.replace(/\/$/, '');
  const daemon = await bed.daemon('b', { args: ARGS, origins: [first.url, second.url] });
  await daemon.want(M);
  await fetched(daemon, M, 2 * MIB);

  const stalledMs = performance.now();
  first.misbehave({ kind: 'stall', afterBytes: 100_000 });
  assertLeftInTime(await leftSource(daemon, idOf(first), stalledMs), stalledMs);
  const { bytesDone } = (await transferOf(daemon, M)) ?? assert.fail('no transfer');
  assert.equal((await fetched(daemon, M, bytesDone + 2 * MIB)).state, 'fetching');

  const allStalledMs = performance.now();
  second.misbehave({ kind: 'stall', afterBytes: 100_000 });
  assertLeftInTime(await leftSource(daemon, idOf(second), allStalledMs), allStalledMs);
  await assertSaysStalled(daemon, M);
  assert.ok((await daemon.metric('shoal_source_stalls_total', { source: 'origin' })) >= 2);

  first.heal();
  assert.ok((await daemon.log.waitFor('download goes on', 60_000)) !== undefined);
  await daemon.waitForModel(M, 'installed', 60_000);
  assert.deepEqual(await digestsIn(daemon.modelsDir), { [M]: made.sha256 });
  const { refetchedBytes = 0 } = (await transferOf(daemon, M)) ?? {};
  // What had come of the pieces in flight at each of the stalls, and of the attempts in between.
  assert.ok(refetchedBytes < 8 * MIB, `${refetchedBytes} bytes were fetched in vain`);
});

test('an nginx that hangs is waited for, and goes on where it was', {
  timeout: 120_000,
  skip: needsNginx,
}, async (t) => {
  const bed = await TestBed.open({ context: t });
  const nas = await bed.makeDirectory('nas');
  const made = await makeGguf(join(nas, M), { seed: 'nginx', sizeBytes: 24 * MIB });
  await bed.publish(nas);
  const nginx = await bed.nginx(nas, { bytesPerSecond: 2 * MIB });
  const daemon = await bed.daemon('b', { args: ARGS, origins: [nginx.url] });
  await daemon.want(M);
  await fetched(daemon, M, 4 * MIB);
  const hungMs = performance.now();
  nginx.pause();
  assertLeftInTime(await leftSource(daemon, nginx.url.replace(/\/$/, ''), hungMs), hungMs);
  await assertSaysStalled(daemon, M);
  nginx.resume();
  await daemon.waitForModel(M, 'installed', 60_000);
  assert.deepEqual(await digestsIn(daemon.modelsDir), { [M]: made.sha256 });
});
