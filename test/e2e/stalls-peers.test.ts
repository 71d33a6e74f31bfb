import assert from 'node:assert/strict';
import { copyFile, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { makeSafetensors } from '../support/make-safetensors.ts';
import { digestsIn, TestBed } from '../support/test-bed.ts';
import { HangingLink } from './hanging-link.ts';
import { assertLeftInTime, assertSaysStalled, fetched, leftSource, transferOf } from './stall-watch.ts';

const MIB = 1 << 20;
const SIZE = 48 * MIB;
const M = 'checkpoints/m.safetensors';
/** Slow enough to be caught in the middle. */
const SLOW = ['--up-limit', '5MiB'];
const DEBUG = ['--log-level', 'debug'];

test('a peer that hangs is left within 3 s, the others go on, and a fetch without any says so', {
  timeout: 180_000,
}, async (t) => {
  const bed = await TestBed.open({ context: t });
  const made = await makeSafetensors(join(bed.directory, 'a/models', M), { seed: 'hang', sizeBytes: SIZE });
  const second = join(bed.directory, 'c/models', M);
  await mkdir(dirname(second), { recursive: true });
  await copyFile(made.file, second);
  const a = await bed.daemon('a', { args: SLOW });
  const c = await bed.daemon('c', { args: SLOW });
  for (const daemon of [a, c]) await daemon.waitForModel(M);
  const b = await bed.daemon('b', { args: DEBUG });
  const watcher = await bed.watch(b.modelsDir, { [M]: made });
  await b.want(M);
  await fetched(b, M, 4 * MIB);

  const pausedMs = performance.now();
  a.pause();
  assertLeftInTime(await leftSource(b, a.peerId, pausedMs), pausedMs);
  const { bytesDone, sources } = (await transferOf(b, M)) ?? assert.fail('no transfer');
  assert.notEqual(sources.find(({ id }) => id === a.peerId)?.state, 'active');
  const later = await fetched(b, M, bytesDone + 3 * MIB);
  assert.equal(later.state, 'fetching');
  assert.ok((await b.metric('shoal_source_stalls_total', { source: 'peer' })) >= 1);

  const allPausedMs = performance.now();
  c.pause();
  assertLeftInTime(await leftSource(b, c.peerId, allPausedMs), allPausedMs);
  await assertSaysStalled(b, M);
  const stalledAt = (await transferOf(b, M))?.bytesDone ?? 0;

  c.resume();
  assert.ok((await b.log.waitFor('download goes on', 60_000)) !== undefined);
  await fetched(b, M, stalledAt + 2 * MIB);
  assert.equal(await b.metric('shoal_stalled_downloads'), 0);
  a.resume();
  await b.waitForModel(M, 'installed', 60_000);
  assert.deepEqual(await digestsIn(b.modelsDir), { [M]: made.sha256 });
  await watcher.stop();
  assert.deepEqual(watcher.violations, []);
  // Who hung is slow, no liar.
  assert.deepEqual(
    (await b.peers()).filter(({ blamed }) => blamed !== undefined),
    [],
  );
});

test('a peer whose line goes dead is left within 3 s, and used again when the line is back', {
  timeout: 180_000,
}, async (t) => {
  const bed = await TestBed.open({ context: t });
  const made = await makeSafetensors(join(bed.directory, 'a/models', M), { seed: 'line', sizeBytes: 24 * MIB });
  // The line that dies is the libp2p connection; the lane goes past it.
  const a = await bed.daemon('a', { args: [...SLOW, '--lane', 'off'] });
  await a.waitForModel(M);
  const [address = ''] = a.listen;
  const link = bed.own(await HangingLink.open(Number(/\/tcp\/(\d+)\//.exec(address)?.[1])));
  const b = await bed.daemon('b', {
    args: DEBUG,
    bootstrap: [address.replace(/\/tcp\/\d+\//, `/tcp/${link.port}/`)],
  });
  await b.want(M);
  await fetched(b, M, 4 * MIB);

  const deadMs = performance.now();
  link.hang();
  assertLeftInTime(await leftSource(b, a.peerId, deadMs), deadMs);
  // The peer announces another address than that of the dead line, and may be reached there; else the fetch stands still.
  const stood = await b.log.waitFor(({ msg }) => /^download stalled/.test(msg), 6_000).catch(() => undefined);
  t.diagnostic(stood === undefined ? 'it went on over another line' : 'it stood still until the line was back');
  if (stood !== undefined) await assertSaysStalled(b, M);
  link.resume();
  await b.waitForModel(M, 'installed', 90_000);
  assert.deepEqual(await digestsIn(b.modelsDir), { [M]: made.sha256 });
});
