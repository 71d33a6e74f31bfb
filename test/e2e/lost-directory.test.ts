import assert from 'node:assert/strict';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeGguf } from '../support/make-gguf.ts';
import { TestBed } from '../support/test-bed.ts';
import { delay, eventually } from '../support/wait.ts';

interface Models {
  readonly models: readonly { readonly id: string; readonly state: string }[];
}

test('a models directory that is taken away ends no daemon, and is known when it is back', {
  timeout: 60_000,
}, async (t) => {
  const bed = await TestBed.open({ context: t });
  const models = await bed.makeDirectory('models');
  await makeGguf(join(models, 'a.gguf'), { seed: 'a', sizeBytes: 1 << 20 });
  const daemon = await bed.daemon('a', { models });
  const ids = async (): Promise<string> => {
    const { models: found } = await daemon.json<Models>('/v1/models');
    return found.flatMap(({ id, state }) => (state === 'installed' ? [id] : [])).join(' ');
  };
  await eventually('the model is installed', async () => (await ids()) === 'a.gguf');

  await rename(models, `${models}-away`);
  await daemon.json('/v1/rescan', 'POST');
  // Longer than the daemon looks at its disk.
  await delay(2_500);
  assert.equal(daemon.isRunning, true, daemon.log.tail());
  assert.equal(await ids(), '');
  assert.equal((await daemon.request('GET', '/v1/node')).status, 200);
  assert.equal((await daemon.request('GET', '/metrics')).status, 200);

  await rename(`${models}-away`, models);
  await daemon.json('/v1/rescan', 'POST');
  await eventually('the model is back', async () => (await ids()) === 'a.gguf');
});
