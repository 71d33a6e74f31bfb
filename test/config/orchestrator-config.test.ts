import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { resolveOrchestratorConfig } from '../../src/config/orchestrator-config.ts';
import { environmentName, orchestratorVariables, settings } from '../../src/config/settings.ts';

test('no variable means one thing to a daemon and another to an orchestrator', () => {
  const daemon = new Set([...settings.map(({ key }) => environmentName(key)), 'SHOAL_ORCHESTRATOR_TOKEN']);
  for (const variable of Object.values(orchestratorVariables)) assert.ok(!daemon.has(variable), variable);
});

test('the token that a daemon sends is not one that the orchestrator beside it accepts', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'shoal-config-'));
  t.after(() => rm(directory, { recursive: true }));
  const [sent, accepted] = [join(directory, 'sent'), join(directory, 'accepted')];
  await writeFile(sent, 'the one that is sent\n');
  await writeFile(accepted, 'the one that is accepted\n');
  const environment = { SHOAL_ORCHESTRATOR_TOKEN_FILE: sent, SHOAL_ORCHESTRATOR_API: '127.0.0.1:1234' };
  const without = await resolveOrchestratorConfig({}, environment);
  assert.deepEqual([without.tokens, without.api.port], [undefined, 1234]);
  const both = { ...environment, SHOAL_ORCHESTRATOR_ACCEPTED_TOKENS_FILE: accepted };
  assert.match((await resolveOrchestratorConfig({}, both)).tokens?.text ?? '', /is accepted/);
  assert.match((await resolveOrchestratorConfig({ tokenFile: sent }, both)).tokens?.text ?? '', /is sent/);
});
