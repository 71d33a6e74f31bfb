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

test('in the middle of a fetch its ETA is right within 25 %, whether this node or the source is slow', {
  timeout: 120_000,
}, async (t) => {
  const bed = await TestBed.open({ context: t });
  const nas = await bed.makeDirectory('nas');
  await makeSafetensors(join(nas, ID), { seed: 'eta', sizeBytes: SIZE, family: 'sdxl' });
  await bed.publish(nas);
  const fast = await bed.origin(nas);
  const slow = await bed.origin(nas);
  slow.misbehave({ kind: 'slow', bytesPerSecond: 1.5 * MIB });
  const consumer = await bed.consumer();
  const told = { orchestrators: [consumer.url], bootstrap: [] };
  const capped = await bed.daemon('capped', { ...told, origins: [fast.url], args: ['--origin-limit', '4MiB'] });
  const free = await bed.daemon('free', { ...told, origins: [slow.url] });
  await Promise.all(
    [capped, free].map(async (daemon) => {
      await daemon.want(ID);
      const incoming = (): IncomingModel | undefined =>
        consumer
          .of(daemon.name)
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
      // To the last byte: what hashing and installing take is the machine's affair, and little where nothing else runs.
      await eventually(
        'the last byte is here',
        async () => (await daemon.transfers()).some(({ bytesDone }) => bytesDone === SIZE),
        { timeoutMs: 60_000, everyMs: 20 },
      );
      const tookMs = performance.now() - askedAtMs;
      const saidMs = middle.etaMs ?? assert.fail(`${daemon.name}: no ETA at ${middle.bytesDone} bytes`);
      const off = Math.abs(saidMs - tookMs) / tookMs;
      t.diagnostic(`${daemon.name}: said ${Math.round(saidMs)} ms, took ${Math.round(tookMs)} ms`);
      assert.ok(off <= 0.25, `${daemon.name}: said ${saidMs} ms, took ${tookMs} ms`);
    }),
  );
});
