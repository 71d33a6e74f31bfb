import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeSafetensors } from '../support/make-safetensors.ts';
import { runShoal } from '../support/run-shoal.ts';
import { TestBed } from '../support/test-bed.ts';
import { eventually } from '../support/wait.ts';

const MIB = 1 << 20;

test('get --wait outlives a restart of the daemon in good order', async (t) => {
  const bed = await TestBed.open({ context: t });
  const id = 'slow.safetensors';
  await makeSafetensors(join(await bed.makeDirectory('a/models'), id), { seed: 'slow', sizeBytes: 12 * MIB });
  const a = await bed.daemon('a', { args: ['--up-limit', '3MiB'] });
  const b = await bed.daemon('b');
  await a.waitForModel(id);
  const running = runShoal(['get', id, '--wait'], { api: b.api });
  await eventually('a part of it has arrived', async () =>
    (await b.transfers()).some(({ bytesDone }) => bytesDone > MIB),
  );
  await b.restart();
  const result = await running;
  assert.equal(result.code, 0, result.stderr);
  assert.doesNotMatch(result.stderr, /failed|is ending/);
});
