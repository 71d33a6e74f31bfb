import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeGguf } from '../support/make-gguf.ts';
import { makeSafetensors } from '../support/make-safetensors.ts';
import { needsNginx } from '../support/nginx.ts';
import { runShoal } from '../support/run-shoal.ts';
import { digestsIn, TestBed } from '../support/test-bed.ts';
import { checkClaims, reportedAfterMs } from './claims.ts';

const SIZE = 32 << 20;
const M1 = 'checkpoints/sdxl/m1.safetensors';
const M2 = 'llm/m2.gguf';
/** From the file in place to the heartbeat at the orchestrator. */
const REPORT_WITHIN_MS = 1_000;

interface GetDocument {
  readonly models: readonly {
    readonly id: string;
    readonly state: string;
    readonly bytes: number;
    readonly refetchedBytes: number;
    readonly sources: readonly { readonly kind: string; readonly id: string; readonly bytes: number }[];
  }[];
}

test('a model of one node and one of a NAS reach a second node, and from there a third', {
  timeout: 120_000,
}, async (t) => {
  const bed = await TestBed.open({ context: t });
  const nas = await bed.makeDirectory('nas');
  const made1 = await makeSafetensors(join(bed.directory, 'a/models', M1), { seed: 'm1', sizeBytes: SIZE });
  const made2 = await makeGguf(join(nas, M2), { seed: 'm2', sizeBytes: SIZE });
  await bed.publish(nas);
  const nginx = needsNginx === false ? await bed.nginx(nas) : undefined;
  const plain = nginx === undefined ? await bed.origin(nas) : undefined;
  const originUrl = (nginx ?? plain)?.url ?? '';
  const sentOfM2 = async (): Promise<number> => (await nginx?.bytesSent(/m2/)) ?? plain?.totalSent(/m2/) ?? 0;

  const consumer = await bed.consumer();
  const falsehoods = checkClaims(consumer, {
    daemons: () => bed.daemons,
    models: { [M1]: { [M1]: made1 }, [M2]: { [M2]: made2 } },
  });
  const options = { origins: [originUrl], orchestrators: [consumer.url] };
  const a = await bed.daemon('a', { orchestrators: [consumer.url] });
  const b = await bed.daemon('b', options);
  const c = await bed.daemon('c', options);
  const watchers = new Map<string, Awaited<ReturnType<TestBed['watch']>>>();
  for (const node of [b, c]) watchers.set(node.name, await bed.watch(node.modelsDir, { [M1]: made1, [M2]: made2 }));
  await a.waitForModel(M1);
  await consumer.waitFor('a', M1);

  const get = async (api: string): Promise<GetDocument> => {
    const result = await runShoal(['get', M1, M2, '--wait', '--json'], { api });
    assert.equal(result.code, 0, result.stderr);
    return result.json() as GetDocument;
  };
  const inB = await get(b.api);
  assert.deepEqual(await digestsIn(b.modelsDir), { [M1]: made1.sha256, [M2]: made2.sha256 });
  const expected = { state: 'installed', refetchedBytes: 0, bytes: made1.sizeBytes };
  assert.partialDeepStrictEqual(inB.models[0], { ...expected, id: M1 });
  assert.deepEqual(
    inB.models[0]?.sources.filter(({ bytes }) => bytes > 0).map(({ kind, id, bytes }) => ({ kind, id, bytes })),
    [{ kind: 'peer', id: a.peerId, bytes: made1.sizeBytes }],
  );
  assert.deepEqual(
    inB.models[1]?.sources.filter(({ bytes }) => bytes > 0).map(({ kind, id, bytes }) => ({ kind, id, bytes })),
    [{ kind: 'origin', id: originUrl.replace(/\/$/, ''), bytes: made2.sizeBytes }],
  );
  await consumer.waitFor('b', M1);
  await consumer.waitFor('b', M2);
  const sentToB = await sentOfM2();
  assert.ok(sentToB >= made2.sizeBytes && sentToB < made2.sizeBytes * 1.02, `the NAS sent ${sentToB} bytes of m2`);

  await a.stop();
  const inC = await get(c.api);
  assert.deepEqual(await digestsIn(c.modelsDir), { [M1]: made1.sha256, [M2]: made2.sha256 });
  for (const [model, made] of [
    [0, made1],
    [1, made2],
  ] as const) {
    const { sources } = inC.models[model] ?? { sources: [] };
    const giving = sources.filter(({ bytes }) => bytes > 0);
    assert.deepEqual(giving, [{ kind: 'peer', id: b.peerId, bytes: made.sizeBytes }]);
  }
  assert.equal(await sentOfM2(), sentToB, 'the NAS was not read a second time');
  assert.equal(await c.metric('shoal_received_bytes_total', { source: 'peer' }), made1.sizeBytes + made2.sizeBytes);
  assert.equal(await c.metric('shoal_received_bytes_total', { source: 'origin' }), 0);
  const transfers = await c.transfers();
  assert.deepEqual(transfers.map(({ model, state }) => `${model} ${state}`).sort(), [`${M1} done`, `${M2} done`]);
  await consumer.waitFor('c', M1);
  await consumer.waitFor('c', M2);

  for (const [node, watcher] of watchers) {
    await watcher.stop();
    assert.deepEqual(watcher.violations, []);
    for (const model of [M1, M2]) {
      const afterMs = reportedAfterMs(consumer, { node, model, filesSeenAtMs: [watcher.firstSeen(model)] });
      assert.ok(afterMs <= REPORT_WITHIN_MS, `${node} reported ${model} ${afterMs} ms after it was in place`);
      t.diagnostic(`${node} reported ${model} ${afterMs} ms after it was seen in place`);
    }
  }
  assert.deepEqual(falsehoods, []);
  assert.deepEqual(consumer.violations, []);
  assert.deepEqual(consumer.deregistered, ['a']);
});
