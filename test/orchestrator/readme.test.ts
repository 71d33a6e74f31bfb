import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runCommand } from '../support/run-shoal.ts';
import { serveOrchestrator } from './api-fixture.ts';

test('the commands of the README do at an orchestrator what stands beside them', async (t) => {
  const readme = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8');
  const [, block] = /```sh\n(O=http[^`]+)```/.exec(readme) ?? [];
  assert.ok(block !== undefined, 'README.md has a block that begins with O=http…');
  const { url, fleet } = await serveOrchestrator(t);
  const answered: { status: number; body: Record<string, unknown> }[] = [];
  let leaseId = '';
  // One at a time: what follows a command may need what it has answered.
  for (const command of block.split(/\n(?=curl )/)) {
    if (!command.startsWith('curl ')) continue;
    const line = command.replace('curl -s', "curl -sS -w '\\n%{http_code}'");
    const ran = await runCommand(['bash', '-c', `O=${url} LEASE_ID=${leaseId}\n${line}`]);
    assert.equal(ran.code, 0, ran.stderr);
    const [, text = '', status] = /^(.*)\n(\d+)$/s.exec(ran.stdout.trimEnd()) ?? [];
    const body = (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>;
    answered.push({ status: Number(status), body });
    const { lease_id: id } = (body['lease'] ?? {}) as { lease_id?: string };
    leaseId = id ?? leaseId;
  }
  const [registered, beaten, availability, placed, refused, released] = answered;
  assert.deepEqual([registered?.status, registered?.body['success']], [200, true]);
  assert.deepEqual([beaten?.status, beaten?.body['next_heartbeat_ms']], [200, 10_000]);
  assert.deepEqual([availability?.status, availability?.body['single_node_models']], [200, ['llama-3.1-8b']]);
  const [candidate] = placed?.body['candidates'] as { node_id: string; pool_id: string }[];
  assert.deepEqual([placed?.status, candidate?.node_id, candidate?.pool_id], [200, 'gpu-1', 'pool-0']);
  assert.deepEqual([refused?.status, refused?.body['refused_counts']], [409, { 'model-missing': 1 }]);
  assert.equal(released?.status, 204);
  assert.equal(answered.length, 6);
  assert.deepEqual(fleet.orchestrator.leases.list(), [], 'the lease was given back');
});
