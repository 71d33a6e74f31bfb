import assert from 'node:assert/strict';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { HeartbeatConsumer } from '../support/heartbeat-consumer.ts';
import { makeGguf } from '../support/make-gguf.ts';
import { makeLora } from '../support/make-safetensors.ts';
import { TestBed } from '../support/test-bed.ts';
import { delay, eventually } from '../support/wait.ts';
import { checkClaims } from './claims.ts';

const MIB = 1 << 20;

test('an orchestrator hears what comes and what is there, with the token, until the node says goodbye', {
  timeout: 120_000,
}, async (t) => {
  const bed = await TestBed.open({ context: t });
  const nas = await bed.makeDirectory('nas');
  const id = 'llm/m.gguf';
  const made = await makeGguf(join(nas, id), { seed: 'm', sizeBytes: 16 * MIB });
  await bed.publish(nas);
  const origin = await bed.origin(nas);
  const consumer = await bed.consumer({ token: 'a-secret' });
  const falsehoods = checkClaims(consumer, { daemons: () => bed.daemons, models: { [id]: { [id]: made } } });
  const daemon = await bed.daemon('gpu-1', {
    origins: [origin.url],
    orchestrators: [consumer.url],
    env: { LLORCH_API_TOKEN: 'a-secret' },
    args: ['--origin-limit', '4MiB'],
  });
  await daemon.want(id);
  const coming = await eventually('it is told what comes', () =>
    consumer
      .of('gpu-1')
      .flatMap(({ incoming }) => incoming)
      .find((model) => model.id === id),
  );
  assert.deepEqual([coming.bytes_total, coming.digest], [made.sizeBytes, `sha256:${made.sha256}`]);
  assert.ok(coming.bytes_missing > 0 && coming.bytes_missing <= made.sizeBytes);
  await consumer.waitFor('gpu-1', id, { timeoutMs: 30_000 });
  const newest = consumer.of('gpu-1').at(-1);
  assert.deepEqual([...(newest?.models ?? [])].sort(), [id, 'm'], 'by id and by alias');
  assert.deepEqual(newest?.incoming, []);

  // An orchestrator that has lost its memory is introduced again, and told what holds now.
  const registrations = consumer.registrations.length;
  consumer.forget('gpu-1');
  const lora = await makeLora(join(bed.directory, 'new.safetensors'), { seed: 'new' });
  await rename(lora.file, join(daemon.modelsDir, 'new.safetensors'));
  await consumer.waitFor('gpu-1', 'new.safetensors', { timeoutMs: 30_000 });
  assert.equal(consumer.registrations.length, registrations + 1);

  await daemon.stop();
  assert.deepEqual(consumer.deregistered, ['gpu-1']);
  const { document } = consumer.registrations[0] ?? assert.fail('never registered');
  assert.equal(document.address, daemon.api);
  assert.equal(document.node_id, 'gpu-1');
  assert.ok(!daemon.log.lines.some((line) => JSON.stringify(line).includes('a-secret')), 'the token is in the log');
  assert.deepEqual(consumer.violations, []);
  assert.deepEqual(falsehoods, []);
});

test('an orchestrator in trouble gets the present when it is back, no backlog, and holds up no other', {
  timeout: 120_000,
}, async (t) => {
  const bed = await TestBed.open({ context: t });
  const troubled = await bed.consumer();
  const healthy = await bed.consumer();
  const away = bed.own(await HeartbeatConsumer.start());
  const awayUrl = away.url;
  await away[Symbol.asyncDispose]();
  troubled.failWith = 503;
  const daemon = await bed.daemon('n', { orchestrators: [troubled.url, awayUrl, healthy.url] });
  for (let n = 0; n < 3; n += 1) {
    const lora = await makeLora(join(bed.directory, `${n}.safetensors`), { seed: String(n) });
    await rename(lora.file, join(daemon.modelsDir, `${n}.safetensors`));
    await healthy.waitFor('n', `${n}.safetensors`, { timeoutMs: 30_000 });
  }
  assert.equal(troubled.heartbeats.length, 0);
  troubled.failWith = undefined;
  await troubled.waitFor('n', '2.safetensors', { timeoutMs: 40_000 });
  assert.deepEqual(
    troubled.heartbeats[0]?.models.filter((name) => name.endsWith('.safetensors')),
    ['0.safetensors', '1.safetensors', '2.safetensors'],
  );
  await delay(1_000);
  const heard = troubled.of('n').length;
  assert.ok(heard <= 2, `${heard} heartbeats at once`);
  assert.deepEqual([...troubled.violations, ...healthy.violations], []);
});

test('a token file that is rotated is read again', { timeout: 120_000 }, async (t) => {
  const bed = await TestBed.open({ context: t });
  const consumer = await bed.consumer({ token: 'second' });
  const tokenFile = join(bed.directory, 'token');
  await writeFile(tokenFile, 'first\n', { mode: 0o600 });
  const daemon = await bed.daemon('n', {
    orchestrators: [consumer.url],
    args: ['--orchestrator-token-file', tokenFile],
  });
  const refused = await daemon.log.waitFor(({ msg }) => msg.startsWith('orchestrator does not accept'));
  assert.match(String(refused?.['problem']), /401/);
  assert.equal(consumer.registrations.length, 0);
  await writeFile(tokenFile, 'second\n');
  await eventually('it is registered', () => consumer.registrations.length > 0, { timeoutMs: 40_000 });
  await eventually('it reports', () => consumer.of('n').length > 0);
});
