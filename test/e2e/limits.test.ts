import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import type { NodeView } from '../../src/flows/views.ts';
import type { DaemonProcess } from '../support/daemon-process.ts';
import { makeSafetensors } from '../support/make-safetensors.ts';
import { digestsIn, TestBed } from '../support/test-bed.ts';
import { eventually } from '../support/wait.ts';

const MIB = 1 << 20;
const SIZE_BYTES = 8 * MIB;
const LIMIT = '4MiB';
const LIMIT_BYTES_PER_SECOND = 4 * MIB;
const FROM_ORIGIN = 'checkpoints/from-origin.safetensors';
const FROM_ANYWHERE = 'checkpoints/from-anywhere.safetensors';
const FROM_PEER = 'checkpoints/from-peer.safetensors';

/** What may pass before the limit bites: a quarter of a second, and the pieces that were let go when it was used up. */
const FREE_MS = 600;
const LEAST_MS = (SIZE_BYTES / LIMIT_BYTES_PER_SECOND) * 1000 - FREE_MS;

async function assertBounded(daemon: DaemonProcess, model: string): Promise<void> {
  const startMs = performance.now();
  await daemon.want(model);
  await daemon.waitForModel(model, 'installed', 60_000);
  const ms = performance.now() - startMs;
  assert.ok(ms >= LEAST_MS, `${daemon.name} had ${model} after ${Math.round(ms)} ms, ${LEAST_MS} are the least`);
}

test('each limit bounds what it is for, and a node that computes BLAKE3 by WebAssembly takes part', {
  timeout: 120_000,
}, async (t) => {
  const bed = await TestBed.open({ context: t });
  const nas = await bed.makeDirectory('nas');
  const make = (directory: string, model: string) =>
    makeSafetensors(join(directory, model), { seed: model, sizeBytes: SIZE_BYTES });
  const made = {
    [FROM_ORIGIN]: await make(nas, FROM_ORIGIN),
    [FROM_ANYWHERE]: await make(nas, FROM_ANYWHERE),
    [FROM_PEER]: await make(join(bed.directory, 'native/models'), FROM_PEER),
  };
  await bed.publish(nas);
  const origins = [(await bed.origin(nas)).url];
  const native = await bed.daemon('native', { origins, args: ['--up-limit', LIMIT, '--down-limit', LIMIT] });
  const wasm = await bed.daemon('wasm', { origins, args: ['--blake3', 'wasm', '--origin-limit', LIMIT] });
  assert.equal((await wasm.json<NodeView>('/v1/node')).blake3, 'wasm');
  await eventually('the node hears of its peer’s model', async () =>
    (await wasm.models('fleet')).some(({ id }) => id === FROM_PEER),
  );

  // At the same time: each of them is bounded by another limit.
  await Promise.all([
    assertBounded(wasm, FROM_ORIGIN),
    assertBounded(native, FROM_ANYWHERE),
    assertBounded(wasm, FROM_PEER),
  ]);

  const digests = Object.fromEntries(Object.entries(made).map(([model, { sha256 }]) => [model, sha256]));
  const held = { ...(await digestsIn(native.modelsDir)), ...(await digestsIn(wasm.modelsDir)) };
  assert.deepEqual(held, digests);
});
