import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { OrchestratorClient } from '../../src/orchestrator/client.ts';
import type { DaemonProcess } from '../support/daemon-process.ts';
import type { HeartbeatConsumer } from '../support/heartbeat-consumer.ts';
import { LateProxy } from '../support/late-proxy.ts';
import { OrchestratorProcess } from '../support/orchestrator-process.ts';
import type { TestBed } from '../support/test-bed.ts';
import { delay, eventually } from '../support/wait.ts';

const signal = new AbortController().signal;
/** More candidates than there are nodes. */
const ALL = 100;

/** Two that place tasks by what they are told: one of the test's own, and `shoal orchestrator`. */
export interface Orchestrators {
  readonly consumer: HeartbeatConsumer;
  readonly client: OrchestratorClient;
  /** What is between the daemons and them. */
  readonly proxies: readonly LateProxy[];
}

export async function orchestratorsOf(bed: TestBed): Promise<Orchestrators> {
  const consumer = await bed.consumer();
  const orchestrator = bed.own(await new OrchestratorProcess({ home: bed.directory }).start());
  const proxies = await Promise.all([consumer, orchestrator].map(({ url }) => LateProxy.start(url)));
  for (const proxy of proxies) bed.own(proxy);
  return { consumer, client: orchestrator.client(), proxies };
}

/**
 * Deletes through the daemon while heartbeats arrive late. Nobody else changes files meanwhile, so there is no excuse: when
 * the file is gone, no orchestrator may name this node. Undefined when nothing was deleted that anybody believed in.
 */
export async function deletionFaults(
  { daemon, id, lateMs }: { readonly daemon: DaemonProcess; readonly id: string; readonly lateMs: number },
  orchestrators: Orchestrators,
): Promise<string[] | undefined> {
  const { consumer, proxies } = orchestrators;
  const file = join(daemon.modelsDir, id);
  const wasBelieved = consumer.available(daemon.name).includes(id) && existsSync(file);
  for (const proxy of proxies) proxy.lateMs = lateMs;
  const answer = daemon.request('DELETE', `/v1/models/${id}`);
  const faults = await faultsWhenGone({ daemon, id, until: answer }, orchestrators);
  for (const proxy of proxies) proxy.lateMs = 0;
  const { status } = await answer;
  assert.ok(status === 204 || status === 404, `DELETE was answered with ${status}`);
  return wasBelieved && status === 204 ? faults : undefined;
}

/** Waits until the file is gone; who believes in it in this moment? */
async function faultsWhenGone(
  { daemon, id, until }: { readonly daemon: DaemonProcess; readonly id: string; readonly until?: Promise<unknown> },
  { consumer, client }: Orchestrators,
): Promise<string[]> {
  const file = join(daemon.modelsDir, id);
  const answered = new AbortController();
  until?.finally(() => answered.abort()).catch(() => undefined);
  while (existsSync(file) && !answered.signal.aborted) await delay(3);
  if (existsSync(file)) return [];
  const faults: string[] = [];
  if (consumer.available(daemon.name).includes(id)) faults.push(`${id} of ${daemon.name} is deleted, and reported`);
  const placement = await client.place({ model: id, count: ALL }, signal);
  const candidates = placement.kind === 'placed' ? placement.candidates : [];
  if (candidates.some((one) => one.node_id === daemon.name))
    faults.push(`${id} of ${daemon.name} is deleted, and shoal orchestrator places on it`);
  return faults;
}

/** A daemon that is killed between the withdrawal and the deletion: the next start must tell everybody before it goes on. */
export async function interruptedDeletionFaults(
  daemon: DaemonProcess,
  orchestrators: Orchestrators,
): Promise<string[]> {
  const { consumer, proxies } = orchestrators;
  const { name, modelsDir } = daemon;
  const id = 'doomed.ckpt';
  const file = join(modelsDir, id);
  await writeFile(file, 'bytes');
  await consumer.waitFor(name, id);
  for (const proxy of proxies) proxy.lateMs = 400;
  const answer = daemon.request('DELETE', `/v1/models/${id}`).catch(() => undefined);
  const withdrawn = async (): Promise<boolean> => (await daemon.models()).every((model) => model.id !== id);
  await eventually('it is withdrawn', withdrawn, { everyMs: 5 });
  await daemon.kill();
  await answer;
  assert.ok(existsSync(file), 'nobody had been told yet');
  const gone = faultsWhenGone({ daemon, id }, orchestrators);
  const heard = consumer.of(name).length;
  await daemon.start();
  const faults = await gone;
  for (const proxy of proxies) proxy.lateMs = 0;
  const late = consumer.of(name).slice(heard);
  if (late.length === 0) faults.push(`${id} was deleted before anybody had heard of ${name} again`);
  for (const { models } of late) if (models.includes(id)) faults.push(`${id} was reported anew, to be deleted`);
  return faults;
}
