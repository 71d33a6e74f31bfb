import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TruthCampaign } from './truth-campaign.ts';

test('under churn no task is placed on a node that could not serve the model', { timeout: 120_000 }, async (t) => {
  const seed = Number(process.env['SHOAL_SEED'] ?? Date.now() % 1_000_000);
  t.diagnostic(`seed ${seed}; 10,000 events: npm run bench -- truth --seed ${seed}`);
  const result = await TruthCampaign.run({ seed, nodes: 16, events: 500 });
  t.diagnostic(JSON.stringify(result));
  assert.deepEqual(result.falsehoods.slice(0, 5), [], `seed ${seed}`);
  assert.ok(result.placements > 500, 'too few placements to tell anything');
});
