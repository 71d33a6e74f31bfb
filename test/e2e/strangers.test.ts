import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { test } from 'node:test';
import { endProcess, PROJECT_ROOT, spawnOwned } from '../support/child-process.ts';
import { type DaemonProcess, encodePath } from '../support/daemon-process.ts';
import { makeLora } from '../support/make-safetensors.ts';
import { runShoal } from '../support/run-shoal.ts';
import { TestBed } from '../support/test-bed.ts';
import { delay, eventually } from '../support/wait.ts';

const MIB = 1024 * 1024;

function assertWell(daemon: DaemonProcess): void {
  assert.ok(daemon.isRunning);
  const complaints = daemon.log.all(({ level }) => level === 'error' || level === 'raw');
  assert.deepEqual(complaints, []);
}

test('two daemons with different fleet keys learn nothing of each other, say so once, and live on', async (t) => {
  const bed = await TestBed.open({ context: t });
  await makeLora(join(await bed.makeDirectory('here/models'), 'ours.safetensors'), { seed: 'ours' });
  await makeLora(join(await bed.makeDirectory('there/models'), 'theirs.safetensors'), { seed: 'theirs' });
  const otherKey = join(bed.directory, 'other.key');
  await writeFile(otherKey, (await runShoal(['fleet-key'])).stdout, { mode: 0o600 });
  const here = await bed.daemon('here');
  const there = await bed.daemon('there', { fleetKeyFile: otherKey, bootstrap: here.listen });
  // Each knows where the other is, and tries again and again.
  await here.restart({ bootstrap: there.listen });
  await here.waitForModel('ours.safetensors');
  await there.waitForModel('theirs.safetensors');

  const refusal = 'connection refused: the other side does not hold this fleet key';
  for (const daemon of [here, there]) await daemon.log.waitFor(refusal, 30_000);
  await delay(5_000);
  for (const daemon of [here, there]) {
    assert.equal(daemon.log.all(refusal).length, 1, daemon.log.tail());
    assertWell(daemon);
    assert.deepEqual(await daemon.peers(), []);
    const known = (await daemon.models('fleet')).map(({ id }) => id);
    assert.deepEqual(known, [daemon === here ? 'ours.safetensors' : 'theirs.safetensors']);
  }
});

test('members that announce what no honest node would are refused, logged once, and cost little', async (t) => {
  const bed = await TestBed.open({ context: t });
  const daemon = await bed.daemon('target');
  const outside = join(bed.directory, 'outside.gguf');
  const before = await readdir(bed.directory);

  const attacker = spawnOwned(
    [
      process.execPath,
      join(PROJECT_ROOT, 'test/support/hostile-member-process.ts'),
      bed.fleetKeyFile,
      daemon.listen[0] ?? '',
      outside,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  bed.own({
    async [Symbol.asyncDispose]() {
      await endProcess(attacker, 1_000);
    },
  });
  const attacks: { attack: string; peerId: string }[] = [];
  createInterface({ input: attacker.child.stdout as Readable }).on('line', (line) =>
    attacks.push(JSON.parse(line) as { attack: string; peerId: string }),
  );
  await eventually('all attacks are made', () => attacks.at(-1)?.attack === 'done', { timeoutMs: 60_000 });
  attacks.pop();
  assert.equal(attacks.length, 9);

  for (const { attack, peerId } of attacks) {
    await t.test(attack, async () => {
      const named = (): number => daemon.log.all((line) => line.level === 'warn' && line['peer'] === peerId).length;
      await eventually('it is logged', () => named() > 0, { timeoutMs: 30_000 });
      assert.equal(named(), 1, 'and only once, although it was tried three times');
    });
  }
  assertWell(daemon);
  const { peakRssBytes } = await daemon.memory();
  t.diagnostic(`${Math.round(peakRssBytes / MIB)} MiB at the highest`);
  assert.ok(peakRssBytes < 256 * MIB, `${peakRssBytes} bytes at the highest`);

  // Only what was told rightly is known: the record before the older ones.
  assert.deepEqual(
    (await daemon.models('fleet')).map(({ id }) => id),
    ['older.gguf'],
  );
  for (const id of [outside, '../../outside.gguf', '.shoal/partial/x.gguf']) {
    const { status } = await daemon.request('PUT', `/v1/models/${encodePath(id)}/want`, {});
    assert.ok(status >= 400 && status < 500, `${id} is answered with ${status}`);
  }
  await delay(500);
  assert.deepEqual(await readdir(bed.directory), before);
  assert.deepEqual(await readdir(daemon.modelsDir), ['.shoal']);
});
