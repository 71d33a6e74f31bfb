import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import type { IncomingModel } from '../../src/flows/heartbeat-documents.ts';
import { makeSafetensors } from '../support/make-safetensors.ts';
import { TestBed } from '../support/test-bed.ts';
import { eventually } from '../support/wait.ts';

const MIB = 1 << 20;
const SIZE = 24 * MIB;
const ID = 'm.safetensors';

/** What limits a fetch, and how the test makes it so. */
const WAYS = [
  { how: 'this node has a cap', args: ['--origin-limit', '4MiB'], slow: undefined },
  { how: 'the source is slow', args: [], slow: 1.5 * MIB },
] as const;

for (const { how, args, slow } of WAYS) {
  test(`in the middle of a fetch its ETA is right within 25 % when ${how}`, { timeout: 90_000 }, async (t) => {
    const bed = await TestBed.open({ context: t });
    const nas = await bed.makeDirectory('nas');
    await makeSafetensors(join(nas, ID), { seed: 'eta', sizeBytes: SIZE, family: 'sdxl' });
    await bed.publish(nas);
    const origin = await bed.origin(nas);
    if (slow !== undefined) origin.misbehave({ kind: 'slow', bytesPerSecond: slow });
    const consumer = await bed.consumer();
    const daemon = await bed.daemon('n', { origins: [origin.url], orchestrators: [consumer.url], args });
    await daemon.want(ID);
    const incoming = (): IncomingModel | undefined =>
      consumer
        .of('n')
        .at(-1)
        ?.incoming.find(({ id }) => id === ID);
    const first = await eventually('it is on its way', () => incoming());
    assert.equal(first.eta_ms, null, 'nothing has been measured yet');
    // Asked of the API: heartbeats come every ten seconds.
    const middle = await eventually(
      'half of it is here',
      async () => {
        const transfer = (await daemon.transfers()).find(({ model }) => model === ID);
        return transfer !== undefined && transfer.bytesDone >= SIZE * 0.45 && transfer;
      },
      { timeoutMs: 40_000 },
    );
    const askedAtMs = performance.now();
    await daemon.waitForModel(ID, 'installed', 60_000);
    const tookMs = performance.now() - askedAtMs;
    const saidMs = middle.etaMs ?? assert.fail(`no ETA at ${middle.bytesDone} bytes`);
    const off = Math.abs(saidMs - tookMs) / tookMs;
    t.diagnostic(`said ${Math.round(saidMs)} ms, took ${Math.round(tookMs)} ms: ${Math.round(off * 100)} % off`);
    assert.ok(off <= 0.25, `said ${saidMs} ms, took ${tookMs} ms`);
  });
}
