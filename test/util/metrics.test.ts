import assert from 'node:assert/strict';
import perfHooks from 'node:perf_hooks';
import { test } from 'node:test';
import { Metrics } from '../../src/util/metrics.ts';

test('the process tells what it uses and how late its event loop was, without waking to measure it', async (t) => {
  const measuring = t.mock.method(perfHooks, 'monitorEventLoopDelay');
  const metrics = new Metrics();
  metrics.addProcess();
  const text = await metrics.text();
  for (const name of [
    'process_cpu_user_seconds_total',
    'process_resident_memory_bytes',
    'nodejs_eventloop_lag_seconds',
  ]) {
    assert.match(text, new RegExp(`^${name} \\d`, 'm'));
  }
  assert.doesNotMatch(text, /nodejs_eventloop_lag_(p99|mean)/);
  for (const {
    arguments: [options],
  } of measuring.mock.calls)
    assert.ok((options?.resolution ?? 10) >= 60_000, `it wakes every ${options?.resolution} ms`);
});
