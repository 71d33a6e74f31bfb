import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { appendFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { OrchestratorClient } from '../../src/orchestrator/client.ts';
import { type Random, seededRandom } from '../../src/util/random.ts';
import type { DaemonProcess } from '../support/daemon-process.ts';
import type { HeartbeatConsumer } from '../support/heartbeat-consumer.ts';
import { TestBed } from '../support/test-bed.ts';
import { delay, eventually } from '../support/wait.ts';
import { deletionFaults, interruptedDeletionFaults, type Orchestrators, orchestratorsOf } from './truth-deletions.ts';

const signal = new AbortController().signal;
const NODES = 3;
const EVENTS = 18;
const MODELS = 4;
/** Ten times what it takes on a machine that has nothing else to do: from a change by others to its withdrawal. */
const UNSEEN_MS = 2_500;
const OFFLINE_AFTER_MS = 30_000;

/** What is known of one file that the test changes. */
interface Ledger {
  /** When others than the daemon changed the bytes. */
  touchedAtMs: number;
  /** The daemon was told to delete it, and has not answered yet: until it is gone, tasks can use it. */
  deleting: boolean;
}

/** Killed, and not heard of again: orchestrators believe what they were told before, and nobody could tell them better. */
const down = new Set<DaemonProcess>();

test('with real daemons, too, no task is placed where the model is not, while files change under them', {
  timeout: 180_000,
}, async (t) => {
  const seed = Number(process.env['SHOAL_SEED'] ?? Date.now() % 1_000_000);
  t.diagnostic(`SHOAL_SEED=${seed}`);
  const random = seededRandom(seed);
  const bed = await TestBed.open({ context: t });
  const orchestrators = await orchestratorsOf(bed);
  const { consumer, client } = orchestrators;
  const urls = orchestrators.proxies.map(({ url }) => url);
  const daemons = await Promise.all(
    Array.from({ length: NODES }, (_, n) => bed.daemon(`n${n}`, { orchestrators: urls, args: ['--settle', '100ms'] })),
  );
  const ledger = new Map<string, Ledger>();
  const falsehoods: string[] = [];
  let placements = 0;
  let placed = 0;
  let deletions = 0;
  const onDeleted = (faults: readonly string[]): void => {
    deletions += 1;
    falsehoods.push(...faults);
  };
  const probe = async (): Promise<void> => {
    for (let n = 0; n < MODELS; n += 1) {
      for (const [name, fault] of await judgePlacement(`m${n}.ckpt`, { client, daemons, ledger })) {
        placed += 1;
        if (fault !== 'true') falsehoods.push(`shoal orchestrator placed on ${name}: ${fault}`);
      }
    }
    for (const daemon of daemons) {
      for (let n = 0; n < MODELS; n += 1) {
        const fault = await judge(daemon, `m${n}.ckpt`, consumer, ledger);
        if (fault === undefined) continue;
        placements += 1;
        if (fault !== 'true') falsehoods.push(fault);
      }
    }
  };
  for (let event = 0; event < EVENTS; event += 1) {
    // Also in the middle of a deletion, between the withdrawal and the last byte.
    await Promise.all([change({ daemons, random, ledger, orchestrators, onDeleted }), probe()]);
    await delay(random() * 100);
    await probe();
  }
  await delay(UNSEEN_MS + 500);
  await probe();
  const survivor = daemons.find(({ isRunning }) => isRunning) ?? assert.fail('all were killed');
  falsehoods.push(...(await interruptedDeletionFaults(survivor, orchestrators)));
  // In the end all say what is there.
  for (const daemon of daemons.filter(({ isRunning }) => isRunning)) {
    await eventually(`${daemon.name} reports what it has`, async () => {
      const there = (await daemon.models()).filter(({ state }) => state === 'installed').map(({ id }) => id);
      return there.every((id) => consumer.available(daemon.name).includes(id));
    });
  }
  t.diagnostic(`${placements} placements by heartbeats, ${placed} by shoal orchestrator, ${deletions} deletions`);
  assert.ok(placed > EVENTS, 'too few to tell anything');
  assert.deepEqual(falsehoods.slice(0, 5), [], `SHOAL_SEED=${seed}`);
  assert.deepEqual(consumer.violations, []);
});

async function change(parts: {
  readonly daemons: readonly DaemonProcess[];
  readonly random: Random;
  readonly ledger: Map<string, Ledger>;
  readonly orchestrators: Orchestrators;
  readonly onDeleted: (faults: readonly string[]) => void;
}): Promise<void> {
  const { daemons, random, ledger, orchestrators, onDeleted } = parts;
  const daemon = daemons[Math.floor(random() * daemons.length)] ?? assert.fail();
  const dice = random();
  if (dice < 0.03 && daemon.isRunning) {
    down.add(daemon);
    await daemon.kill();
    return;
  }
  if (!daemon.isRunning) {
    const heartbeats = orchestrators.consumer.of(daemon.name).length;
    await daemon.start();
    await eventually('its first heartbeat', () => orchestrators.consumer.of(daemon.name).length > heartbeats);
    down.delete(daemon);
    return;
  }
  const isDeletion = dice >= 0.5 && dice < 0.75;
  // A deletion shows something where somebody believes in the model.
  const believed = orchestrators.consumer.available(daemon.name).filter((name) => name.endsWith('.ckpt'));
  const ids = isDeletion && believed.length > 0 ? believed : Array.from({ length: MODELS }, (_, n) => `m${n}.ckpt`);
  const id = ids[Math.floor(random() * ids.length)] ?? assert.fail();
  const entry = ledger.get(`${daemon.name} ${id}`) ?? { touchedAtMs: 0, deleting: false };
  ledger.set(`${daemon.name} ${id}`, entry);
  if (isDeletion) {
    entry.deleting = true;
    const lateMs = 300 + random() * 300;
    const faults = await deletionFaults({ daemon, id, lateMs }, orchestrators);
    if (faults !== undefined) onDeleted(faults);
    entry.deleting = false;
    return;
  }
  const file = join(daemon.modelsDir, id);
  const bytes = `${random()} ${'x'.repeat(Math.floor(random() * 100_000))}`;
  if (dice < 0.5) {
    await writeFile(`${file}.tmp`, bytes);
    entry.touchedAtMs = Date.now();
    await rename(`${file}.tmp`, file);
  } else {
    entry.touchedAtMs = Date.now();
    const how = dice < 0.83 ? appendFile(file, bytes) : dice < 0.91 ? truncate(file, 10) : rm(file);
    // What is not there cannot be changed.
    await how.catch(() => undefined);
  }
}

/** Undefined when no task would be placed there, `true` when it would, rightly; else what is wrong. */
async function judge(
  daemon: DaemonProcess,
  id: string,
  consumer: HeartbeatConsumer,
  ledger: ReadonlyMap<string, Ledger>,
): Promise<string | undefined> {
  const newest = consumer.of(daemon.name).at(-1);
  if (newest?.models.includes(id) !== true || Date.now() - newest.atMs > OFFLINE_AFTER_MS) return undefined;
  const isUp = (): boolean => !down.has(daemon);
  if (!isUp()) return undefined;
  const entry = ledger.get(`${daemon.name} ${id}`);
  const lately = (): boolean => Date.now() - (entry?.touchedAtMs ?? 0) <= UNSEEN_MS;
  const isKept = (): boolean => entry?.deleting === true && existsSync(join(daemon.modelsDir, id));
  if (lately() || isKept()) return 'true';
  const digest = await daemon.model(id).then(
    ({ digest: vouched, state }) => (state === 'installed' ? vouched : state),
    () => 'nobody knows it',
  );
  const found = digestOf(join(daemon.modelsDir, id));
  if (!isUp()) return undefined;
  // A newer heartbeat may have come while it was looked at.
  if (digest === found || isKept() || consumer.of(daemon.name).at(-1) !== newest || lately()) return 'true';
  return `${daemon.name} was chosen for ${id}: ${String(digest)} is vouched for, ${found} is there`;
}

/** Whoever `shoal orchestrator` would give the task to now, and `true` or what is wrong with that. */
async function judgePlacement(
  id: string,
  parts: {
    readonly client: OrchestratorClient;
    readonly daemons: readonly DaemonProcess[];
    readonly ledger: ReadonlyMap<string, Ledger>;
  },
): Promise<[name: string, fault: string][]> {
  const { client, daemons, ledger } = parts;
  const candidates = async (): Promise<string[]> => {
    const answer = await client.place({ model: id, count: NODES }, signal);
    return answer.kind === 'placed' ? answer.candidates.map(({ node_id: name }) => name) : [];
  };
  const chosen = await candidates();
  const judged = chosen.map(async (name): Promise<[string, string][]> => {
    const daemon = daemons.find((one) => one.name === name) ?? assert.fail(`nobody is called ${name}`);
    // Who was killed is taken for online for 30 s: no heartbeat could say otherwise.
    const isUp = (): boolean => !down.has(daemon);
    if (!isUp()) return [];
    const entry = ledger.get(`${name} ${id}`);
    const lately = (): boolean => Date.now() - (entry?.touchedAtMs ?? 0) <= UNSEEN_MS;
    const isKept = (): boolean => entry?.deleting === true && existsSync(join(daemon.modelsDir, id));
    if (lately() || isKept()) return [[name, 'true']];
    const found = digestOf(join(daemon.modelsDir, id));
    const vouched = await daemon.model(id).then(
      ({ digest, state }) => (state === 'installed' ? digest : state),
      () => 'nobody knows it',
    );
    if (!isUp()) return [];
    if (vouched === found || lately() || isKept()) return [[name, 'true']];
    // It may have been withdrawn while the answer was under way.
    if (!(await candidates()).includes(name)) return [];
    return [[name, `${String(vouched)} is vouched for, ${found} is there`]];
  });
  return (await Promise.all(judged)).flat();
}

function digestOf(file: string): string {
  try {
    return `sha256:${createHash('sha256').update(readFileSync(file)).digest('hex')}`;
  } catch {
    return 'nothing';
  }
}
