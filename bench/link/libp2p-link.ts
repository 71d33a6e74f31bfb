import { once } from 'node:events';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { generateFleetKey } from '../../src/swarm/fleet-key.ts';
import { endProcess, type OwnedProcess, spawnOwned } from '../../test/support/child-process.ts';
import type { TestBed } from '../../test/support/test-bed.ts';
import type { Contestant, Course } from './contestants.ts';
import { cpuSecondsOf, type Timing } from './timed.ts';

/** What js-libp2p carries by itself: what the daemon's transfer over a libp2p stream is to be held against. */
export const LIBP2P_LINKS = [
  { name: 'libp2p', does: 'private network, noise, yamux; nothing written, nothing checked', isPrivate: true },
  { name: 'libp2p-open', does: 'the same without the private network', isPrivate: false },
] as const;

const END = join(import.meta.dirname, 'libp2p-end.ts');

/** Two processes that stay connected, as two daemons do; the file's bytes go over one stream and are thrown away. */
export async function libp2pLink(
  { bed, sourceDirectory, fileName }: Course,
  { name, does, isPrivate }: (typeof LIBP2P_LINKS)[number],
): Promise<Contestant> {
  const file = join(sourceDirectory, fileName);
  const { size } = await stat(file);
  const keyFile = join(await bed.makeDirectory(name), 'swarm.key');
  await writeFile(keyFile, generateFleetKey(), { mode: 0o600 });
  const key = isPrivate ? [keyFile] : [];
  const sender = startEnd(bed, ['send', file, ...key]);
  const receiver = startEnd(bed, ['receive', await sender.nextLine(), ...key]);
  return {
    name,
    does,
    async fetch() {
      const senderBefore = cpuSecondsOf(sender.owned.pid);
      receiver.owned.child.stdin?.write('again\n');
      const { bytes, ...timing } = JSON.parse(await receiver.nextLine()) as Timing & { bytes: number };
      if (bytes !== size) throw new Error(`${name} carried ${bytes} bytes of ${size}`);
      return { ...timing, senderCpuSeconds: cpuSecondsOf(sender.owned.pid) - senderBefore };
    },
  };
}

function startEnd(bed: TestBed, args: readonly string[]): { owned: OwnedProcess; nextLine: () => Promise<string> } {
  const owned = spawnOwned([process.execPath, END, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  bed.own({
    async [Symbol.asyncDispose]() {
      await endProcess(owned, 2_000);
    },
  });
  const lines = createInterface({ input: owned.child.stdout! });
  const ended = owned.exited.then(({ code }): never => {
    throw new Error(`libp2p-end ${args[0] ?? ''} ended with ${String(code)}`);
  });
  ended.catch(() => undefined); // whoever waits for a line hears of it
  const nextLine = async (): Promise<string> => {
    const [line] = (await Promise.race([once(lines, 'line'), ended])) as [string];
    return line;
  };
  return { owned, nextLine };
}
