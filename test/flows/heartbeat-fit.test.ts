import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aliasesOf } from '../../src/content/model-rules.ts';
import { type HeartbeatDocument, heartbeatDocument } from '../../src/flows/heartbeat-documents.ts';
import { HeartbeatFit } from '../../src/flows/heartbeat-fit.ts';
import { HeartbeatTimes } from '../../src/flows/heartbeat-times.ts';
import { incoming } from '../../src/flows/report-models.ts';
import type { TransferState, TransferView } from '../../src/flows/views.ts';
import { LIMITS } from '../../src/orchestrator/limits.ts';
import { parseHeartbeat } from '../../src/orchestrator/parse-document.ts';
import { ShoalError } from '../../src/util/errors.ts';
import { HEARTBEAT_LIMITS } from '../../src/util/heartbeat-limits.ts';
import { seededRandom } from '../../src/util/random.ts';
import { serveOrchestrator } from '../orchestrator/api-fixture.ts';
import { here, registration, TestFleet } from '../orchestrator/fleet-fixture.ts';
import { collectLog } from '../support/collect-log.ts';

const digest = `sha256:${'a'.repeat(64)}`;

/** What a daemon with so many models says, before it is made to fit. */
function said(given: { ids: readonly string[]; wanted?: readonly TransferView[]; pools?: number }): HeartbeatDocument {
  const { ids, wanted = [], pools = 1 } = given;
  const available = [...new Set([...ids, ...ids.flatMap(aliasesOf)])].sort();
  const pool = { ready: true, draining: false, slotsFree: 1, slotsTotal: 1, vramFreeBytes: 0 };
  return heartbeatDocument({
    now: Date.UTC(2026, 0, 1),
    ready: true,
    pools: Array.from({ length: pools }, (_, index) => ({ ...pool, id: `pool-${index}` })),
    available,
    digests: Object.fromEntries(available.map((name) => [name, digest])),
    incoming: incoming(wanted, available),
  });
}

function transfer(model: string, state: TransferState): TransferView {
  return {
    ...{ model, digest, state, bytesTotal: 100, bytesDone: 0, refetchedBytes: 0, bytesPerSecond: 0 },
    ...{ startedAt: '', seconds: 0, sources: [] },
  };
}

function fitOf(ids: readonly string[]): { fit: HeartbeatFit; lines: ReturnType<typeof collectLog>['lines'] } {
  const { log, lines } = collectLog();
  const known = new Set(ids);
  return { fit: new HeartbeatFit({ log, isId: (name) => known.has(name) }), lines };
}

const idsOf = (count: number, length = 24): string[] =>
  Array.from({ length: count }, (_, index) => `m/${index}-`.padEnd(length, 'x').concat('.gguf'));

/** As the orchestrator takes it: of the body it has the bytes first. */
function accepted(heartbeat: HeartbeatDocument): ReturnType<typeof parseHeartbeat> {
  const body = JSON.stringify(heartbeat);
  const bytes = Buffer.byteLength(body);
  assert.ok(bytes <= HEARTBEAT_LIMITS.bodyBytes, `${bytes} bytes`);
  return parseHeartbeat(JSON.parse(body));
}

test('ten thousand models with an alias each are reported whole, each name with its digest', async (t) => {
  const { fleet, post } = await serveOrchestrator(t);
  const ids = idsOf(10_000);
  const { fit, lines } = fitOf(ids);
  const whole = said({ ids });
  const heartbeat = fit.fit(whole);
  assert.deepEqual(heartbeat, whole);
  await fleet.registry.register(registration('n'), here);
  assert.equal((await post('/v2/nodes/n/heartbeat', heartbeat)).status, 200);
  assert.equal(fleet.registry.get('n').models.names.length, 20_000);
  assert.deepEqual(lines, []);
});

test('a new node that wants a fleet of two thousand models is heard: what moves is named first, then the queue', async (t) => {
  const { fleet, post } = await serveOrchestrator(t);
  const wanted = idsOf(2_000).map((id, index) => transfer(id, index > 1_990 ? 'fetching' : 'queued'));
  const heartbeat = fitOf([]).fit.fit(said({ ids: [], wanted }));
  await fleet.registry.register(registration('n'), here);
  assert.equal((await post('/v2/nodes/n/heartbeat', heartbeat)).status, 200);
  const names = [...fleet.registry.get('n').incoming.keys()];
  const order = [...wanted.slice(1_991), ...wanted].map(({ model }) => model);
  assert.deepEqual(names, order.slice(0, 1_000));
});

test('another kind of node may say twenty thousand models on their way', async () => {
  const fleet = await TestFleet.open();
  const one = { digest, bytes_total: 1, bytes_missing: 1 };
  const models_incoming = idsOf(LIMITS.incomingPerNode).map((id) => ({ id, ...one }));
  await fleet.registry.register(registration('n'), here);
  fleet.registry.heartbeat('n', parseHeartbeat({ ...said({ ids: [] }), models_incoming }), here);
  assert.equal(fleet.registry.get('n').incoming.size, 20_000);
});

test('of more names than an orchestrator takes, ids go before aliases, and the log says it once', () => {
  const ids = idsOf(15_000);
  const { fit, lines } = fitOf(ids);
  const whole = said({ ids });
  const heartbeat = accepted(fit.fit(whole));
  fit.fit(whole);
  const names = heartbeat.models_available ?? [];
  assert.equal(names.length, 20_000);
  assert.equal(names.filter((name) => name.endsWith('.gguf')).length, 15_000);
  assert.deepEqual([...names].sort(), names);
  assert.deepEqual(heartbeat.pools[0]?.models_available, names);
  assert.deepEqual(Object.keys(heartbeat.model_digests ?? {}).sort(), names);
  assert.deepEqual(
    lines.map(({ level, field, count, sent }) => ({ level, field, count, sent })),
    [{ level: 'warn', field: 'models_available', count: 30_000, sent: 20_000 }],
  );
  assert.match(String(lines[0]?.['remedy']), /keep fewer/);
  fit.fit(said({ ids: ids.slice(0, 10) }));
  fit.fit(said({ ids }));
  assert.equal(lines.length, 2, 'once more after it had been well');
});

test('whatever a daemon has, wants and runs, the orchestrator takes what it says', () => {
  const seed = 41;
  const random = seededRandom(seed);
  const upTo = (limit: number): number => Math.floor(random() * (limit + 1));
  const extremes = [
    { count: 10_000, length: 1_019, wants: 2_000, pools: 1 },
    { count: 4_000, length: 40, wants: 2_000, pools: 300 },
    { count: 0, length: 1_019, wants: 2_000, pools: 256 },
    { count: 1, length: 9, wants: 0, pools: 0 },
  ];
  const drawn = Array.from({ length: 3 }, () => {
    return { count: upTo(5_000), length: 9 + upTo(1_010), wants: upTo(1_500), pools: upTo(20) };
  });
  for (const { count, length, wants, pools } of [...extremes, ...drawn]) {
    const ids = idsOf(count, length).map((id, index) => (index % 3 === 0 ? id.replaceAll('x', '"') : id));
    const wanted = idsOf(wants, length).map((id) => transfer(`w${id}`.slice(0, 1_024), 'queued'));
    const heartbeat = fitOf(ids).fit.fit(said({ ids, wanted, pools }));
    const taken = accepted(heartbeat);
    const what = `seed ${seed}: ${JSON.stringify({ count, length, wants, pools })}`;
    if (count > 0) assert.ok((taken.models_available ?? []).length > 0, what);
    if (wants > 0) assert.ok((taken.models_incoming ?? []).length > 0, what);
  }
});

test('a node whose clock is set back by an hour registers once more, and no more; corrections of a second cost nothing', async () => {
  const fleet = await TestFleet.open();
  let offsetMs = 0;
  let registered = 0;
  const times = new HeartbeatTimes({ clock: { now: () => fleet.clock.now() + offsetMs } });
  const register = async (): Promise<void> => {
    registered += 1;
    await fleet.registry.register(registration('n'), here);
  };
  const report = (): void => fleet.beat('n', [{}], { timestamp: new Date(times.next()).toISOString() });
  const reports = async (count: number): Promise<void> => {
    for (let beat = 0; beat < count; beat += 1) {
      await fleet.clock.advance(10_000);
      try {
        report();
      } catch (error) {
        assert.ok(error instanceof ShoalError && error.code === 'not-found');
        await register();
        report();
      }
    }
  };
  await register();
  await reports(10);
  offsetMs -= 800;
  report();
  await reports(30);
  assert.equal(registered, 1, 'of a small correction nobody hears');
  offsetMs -= 3_600_000;
  await reports(400);
  assert.equal(registered, 2, 'the orchestrator learned the new time at once');
  offsetMs += 7_200_000;
  await reports(400);
  assert.equal(registered, 2, 'time that leaps forward is no heartbeat that is late');
});
