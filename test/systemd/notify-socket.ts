import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { endProcess, spawnOwned } from '../support/child-process.ts';
import { firstMissing, insist, missingCommand, skipWithout } from '../support/needs.ts';
import type { TestBed } from '../support/test-bed.ts';
import { eventually } from '../support/wait.ts';

const PYTHON = ['/usr/bin/python3', '/usr/local/bin/python3'].find((path) => existsSync(path));

const missing = firstMissing(
  () => (PYTHON === undefined ? 'python3 is missing: apt-get install python3' : false),
  () => missingCommand('systemd-notify', 'systemd'),
);
/** `test(name, { skip: needsNotify }, …)` */
export const needsNotify = skipWithout(missing);

/** A real datagram socket, as systemd would listen on; what arrives is collected without the barriers. */
export async function listenForNotifications(bed: TestBed): Promise<{ socket: string; messages: string[] }> {
  insist(missing);
  const socket = join(bed.directory, 'notify.sock');
  const receiver = spawnOwned([PYTHON ?? 'python3', join(import.meta.dirname, 'notify-receiver.py'), socket], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  bed.own({
    async [Symbol.asyncDispose]() {
      await endProcess(receiver, 1_000);
    },
  });
  const messages: string[] = [];
  let listening = false;
  createInterface({ input: receiver.child.stdout as Readable }).on('line', (line) => {
    const { message } = JSON.parse(line) as { message?: string };
    listening = true;
    if (message !== undefined && message !== 'BARRIER=1') messages.push(message.trim());
  });
  await eventually('the receiver listens', () => listening);
  return { socket, messages };
}
