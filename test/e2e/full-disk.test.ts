import assert from 'node:assert/strict';
import { open, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeGguf } from '../support/make-gguf.ts';
import { mountSmallDisk, needsMount } from '../support/mounts.ts';
import { runShoal } from '../support/run-shoal.ts';
import { digestsIn, TestBed } from '../support/test-bed.ts';
import { fetched, transferOf } from './stall-watch.ts';

const MIB = 1 << 20;
const FIRST = 'llm/first.gguf';
const SECOND = 'llm/second.gguf';

interface Refused {
  readonly models: readonly {
    readonly id: string;
    readonly state: string;
    readonly error?: { readonly code: string; readonly message: string; readonly missingBytes?: number };
  }[];
}

/** Another program that takes all the room there is. */
async function fillDisk(file: string): Promise<void> {
  await using handle = await open(file, 'w');
  const chunk = new Uint8Array(MIB).fill(0xaa);
  for (let bytes = chunk.length; bytes >= 4096; ) {
    try {
      await handle.write(chunk, 0, bytes);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      bytes >>= 1;
    }
  }
}

test('what does not fit ends with exit code 6 and the bytes that lack, and comes when there is room', {
  timeout: 120_000,
  skip: needsMount,
}, async (t) => {
  const bed = await TestBed.open({ context: t });
  const nas = await bed.makeDirectory('nas');
  const first = await makeGguf(join(nas, FIRST), { seed: 'first', sizeBytes: 64 * MIB });
  const second = await makeGguf(join(nas, SECOND), { seed: 'second', sizeBytes: 64 * MIB });
  await bed.publish(nas);
  const origin = await bed.origin(nas);
  const disk = bed.own(await mountSmallDisk(await bed.makeDirectory('disk'), 100 * MIB));
  const models = join(disk.directory, 'models');
  const daemon = await bed.daemon('a', { models, origins: [origin.url] });
  const watcher = await bed.watch(models, { [FIRST]: first, [SECOND]: second });
  assert.equal((await runShoal(['get', 'first', '--wait'], { api: daemon.api })).code, 0);

  const before = await statfs(models);
  const freeBytes = before.bavail * before.bsize;
  const refused = await runShoal(['get', 'second', '--wait', '--json'], { api: daemon.api });
  assert.equal(refused.code, 6, refused.stderr);
  assert.match(refused.stderr, /no space/);
  assert.match(refused.stderr, /shoal rm/);
  const [model] = (refused.json() as Refused).models;
  assert.equal(model?.error?.code, 'disk-full');
  const missing = model.error.missingBytes ?? 0;
  assert.ok(missing >= second.sizeBytes - freeBytes, `${missing} bytes missing, ${freeBytes} free`);
  assert.ok(missing <= second.sizeBytes - freeBytes + 4 * MIB, `${missing} bytes missing, ${freeBytes} free`);
  assert.match(refused.stderr, new RegExp(String(missing)));
  // Not one byte was fetched for nothing, and what was there is there.
  assert.equal(origin.totalSent(/second/), 0);
  assert.deepEqual(await digestsIn(models), { [FIRST]: first.sha256 });
  assert.equal((await daemon.model(FIRST)).state, 'installed');
  const waiting = await daemon.model(SECOND);
  assert.deepEqual({ wanted: waiting.wanted, problem: waiting.problem?.code }, { wanted: true, problem: 'disk-full' });

  await watcher.ignore(FIRST);
  assert.equal((await runShoal(['rm', 'first'], { api: daemon.api })).code, 0);
  await daemon.waitForModel(SECOND, 'installed', 60_000);
  assert.deepEqual(await digestsIn(models), { [SECOND]: second.sha256 });
  await watcher.stop();
  assert.deepEqual(watcher.violations, []);
});

test('a disk that another program fills in the middle of a fetch costs nothing but the wait', {
  timeout: 120_000,
  skip: needsMount,
}, async (t) => {
  const bed = await TestBed.open({ context: t });
  const nas = await bed.makeDirectory('nas');
  const made = await makeGguf(join(nas, FIRST), { seed: 'middle', sizeBytes: 64 * MIB });
  await bed.publish(nas);
  const origin = await bed.origin(nas);
  const disk = bed.own(await mountSmallDisk(await bed.makeDirectory('disk'), 96 * MIB));
  const models = join(disk.directory, 'models');
  const daemon = await bed.daemon('a', { models, origins: [origin.url], args: ['--origin-limit', '8MiB'] });
  const watcher = await bed.watch(models, { [FIRST]: made });
  const waiting = runShoal(['get', 'first', '--wait', '--json'], { api: daemon.api, timeoutMs: 90_000 });
  await fetched(daemon, FIRST, 16 * MIB);

  const filler = join(disk.directory, 'filler');
  await fillDisk(filler);
  const refused = await waiting;
  assert.equal(refused.code, 6, refused.stderr);
  const [model] = (refused.json() as Refused).models;
  assert.equal(model?.error?.code, 'disk-full');
  assert.ok((model.error.missingBytes ?? 0) > 0, JSON.stringify(model.error));
  const stopped = (await transferOf(daemon, FIRST)) ?? assert.fail('no transfer');
  assert.equal(stopped.problem?.code, 'disk-full');
  assert.equal((await daemon.request('GET', '/v1/node')).status, 200);

  // Also across a restart with the disk still full.
  await daemon.restart();
  assert.equal((await daemon.model(FIRST)).wanted, true);
  await rm(filler);
  await daemon.waitForModel(FIRST, 'installed', 60_000);
  assert.deepEqual(await digestsIn(models), { [FIRST]: made.sha256 });
  const sent = origin.totalSent(/first/);
  assert.ok(sent < made.sizeBytes + 16 * MIB, `the NAS sent ${sent} bytes`);
  await watcher.stop();
  assert.deepEqual(watcher.violations, []);
});
