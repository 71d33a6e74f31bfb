import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { DaemonProcess } from '../support/daemon-process.ts';
import type { ExpectedFile } from '../support/directory-watcher.ts';
import type { HeartbeatConsumer } from '../support/heartbeat-consumer.ts';

/** Files by path relative to the models directory. */
export type ExpectedModel = Readonly<Record<string, ExpectedFile>>;

/**
 * Holds every heartbeat against the disk at the moment it arrives: a model that is claimed must be there to its last
 * file and byte. Returns what was found false, as sentences; it grows.
 */
export function checkClaims(
  consumer: HeartbeatConsumer,
  options: { daemons: () => readonly DaemonProcess[]; models: Readonly<Record<string, ExpectedModel>> },
): string[] {
  const falsehoods: string[] = [];
  consumer.onHeartbeat = ({ node, models }) => {
    const daemon = options.daemons().find(({ name }) => name === node);
    if (daemon === undefined) return void falsehoods.push(`a heartbeat of ${node}, which nobody started`);
    for (const id of models) {
      for (const [path, { sizeBytes }] of Object.entries(options.models[id] ?? {})) {
        const found = statSync(join(daemon.modelsDir, path), { throwIfNoEntry: false })?.size;
        if (found !== sizeBytes)
          falsehoods.push(`${node} claims ${id}, but ${path} has ${found} of ${sizeBytes} bytes`);
      }
    }
  };
  return falsehoods;
}

/** The first heartbeat that names `model` after each file of it was seen, in milliseconds after the last was seen. */
export function reportedAfterMs(
  consumer: HeartbeatConsumer,
  seen: { node: string; model: string; filesSeenAtMs: readonly (number | undefined)[] },
): number {
  const { node, model, filesSeenAtMs } = seen;
  const first = consumer.firstSeen(node, model);
  const lastFile = Math.max(...filesSeenAtMs.map((atMs) => atMs ?? Number.NaN));
  return (first ?? Number.NaN) - lastFile;
}
