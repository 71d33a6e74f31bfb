import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LinkTrouble } from '../../src/flows/link-trouble.ts';
import { OrchestratorLink } from '../../src/flows/orchestrator-link.ts';
import { refusal } from '../../src/flows/orchestrator-requests.ts';
import { Metrics } from '../../src/util/metrics.ts';
import { seededRandom } from '../../src/util/random.ts';
import { collectLog } from '../support/collect-log.ts';
import { VirtualClock } from '../transfer/virtual-clock.ts';

test('answers that are numbered are not news each time, and another status still is', () => {
  const { log, lines } = collectLog();
  const connected = OrchestratorLink.gauge(new Metrics());
  const trouble = new LinkTrouble(
    { url: 'http://o/' },
    { clock: new VirtualClock(), random: seededRandom(1), log, connected },
  );
  const fail = (status: number, message: string): void => {
    trouble.failed(refusal('heartbeat', { status, body: JSON.stringify({ message }), retryAfter: undefined }));
  };
  for (let request = 0; request < 1_000; request += 1) fail(500, `request ${request} failed`);
  const said = lines.length;
  assert.ok(said < 12, `${said} lines`);
  fail(401, 'who are you?');
  fail(401, 'and who are you?');
  assert.equal(lines.length, said + 1);
  assert.match(lines.at(-1)?.problem ?? '', /401 .*who are you/);
});
