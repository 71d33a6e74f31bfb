import assert from 'node:assert/strict';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { PlacementAnswer } from '../../src/orchestrator/client.ts';
import { makeLora } from '../support/make-safetensors.ts';
import { OrchestratorProcess } from '../support/orchestrator-process.ts';
import { TestBed } from '../support/test-bed.ts';
import { eventually } from '../support/wait.ts';

const signal = new AbortController().signal;
const token = 'a-fleet-token';

test('a real daemon is placed on for what it has, also after the orchestrator was killed and is back', {
  timeout: 120_000,
}, async (t) => {
  const bed = await TestBed.open({ context: t });
  const orchestrator = bed.own(await new OrchestratorProcess({ home: bed.directory, token }).start());
  const client = orchestrator.client();
  const options = { orchestrators: [orchestrator.url], env: { SHOAL_ORCHESTRATOR_TOKEN: token } };
  const daemon = await bed.daemon('gpu-1', options);
  const put = async (name: string): Promise<void> => {
    const lora = await makeLora(join(bed.directory, name), { seed: name });
    await rename(lora.file, join(daemon.modelsDir, name));
  };
  const placedOn = (model: string): Promise<PlacementAnswer & { kind: 'placed' }> =>
    eventually(
      `${model} can be placed`,
      async () => {
        const answer = await client.place({ model }, signal);
        return answer.kind === 'placed' ? answer : undefined;
      },
      { timeoutMs: 30_000 },
    );
  await put('one.safetensors');
  const [candidate] = (await placedOn('one.safetensors')).candidates;
  assert.deepEqual([candidate?.node_id, candidate?.address], ['gpu-1', daemon.api]);
  assert.equal((await client.place({ model: 'one' }, signal)).kind, 'placed', 'by its alias');
  const refused = await client.place({ model: 'nobody-has-it' }, signal);
  assert.deepEqual(refused.kind === 'refused' && refused.refused_counts, { 'model-missing': 1 });

  await client.registerModel({ id: 'old.safetensors', digest: `sha256:${'0'.repeat(64)}` }, signal);
  await client.setModelState('old.safetensors', { state: 'Retired' }, signal);
  await orchestrator.kill();
  await put('two.safetensors');
  await orchestrator.start();
  const [known] = await client.nodes({ all: true }, signal);
  assert.equal(known?.node_id, 'gpu-1', 'it is known at once');
  await placedOn('two.safetensors');
  const registrations = orchestrator.log.lines.filter(({ msg }) => msg === 'node is online').length;
  assert.equal(registrations, 1);
  await put('old.safetensors');
  const isThere = async (): Promise<boolean> =>
    (await client.availability(signal)).single_node_models.includes('old.safetensors');
  await eventually('the retired model is there', isThere, { timeoutMs: 30_000 });
  const retired = await client.place({ model: 'old.safetensors' }, signal);
  assert.deepEqual(retired.kind === 'refused' && retired.refused_counts, { retired: 1 }, 'and retired it is still');

  await daemon.stop();
  assert.deepEqual(await client.nodes({ all: true }, signal), [], 'it has said goodbye');
  assert.equal(await orchestrator.stop(), 0);
});
