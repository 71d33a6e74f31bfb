import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Random, seededRandom } from '../../src/util/random.ts';
import type { DaemonProcess } from '../support/daemon-process.ts';
import { makeGguf } from '../support/make-gguf.ts';
import { makeLora, makeSafetensors } from '../support/make-safetensors.ts';
import type { MadeFile } from '../support/random-body.ts';
import { digestsIn, TestBed } from '../support/test-bed.ts';
import { delay, eventually } from '../support/wait.ts';

const MIB = 1024 * 1024;
const PIECE_BYTES = 256 * 1024;
/** `npm run kills` takes twenty. */
const KILLS = Number(process.env['SHOAL_TEST_KILLS'] ?? 6);
const FILE_BYTES = (KILLS > 6 ? 256 : 128) * MIB + 4096;
/** So that so many kills fall into the fetch, whatever the machine can do. */
const DOWN_LIMIT = '32MiB';

test(`killed ${KILLS} times while it fetches, a daemon goes on by itself and fetches next to nothing again`, async (t) => {
  const { seed, random } = seeded(t);
  const bed = await TestBed.open({ context: t });
  const nas = await bed.makeDirectory('nas');
  const fromOrigin = await makeSafetensors(join(nas, 'origin.safetensors'), { seed: 'o', sizeBytes: FILE_BYTES });
  const peerModels = await bed.makeDirectory('peer/models');
  const fromPeer = await makeGguf(join(peerModels, 'peer.gguf'), { seed: 'p', sizeBytes: FILE_BYTES + 2048 });
  await bed.publish(nas);
  const origin = await bed.origin(nas);
  const peer = await bed.daemon('peer');
  await peer.waitForModel('peer.gguf', 'installed', 60_000);
  const daemon = await bed.daemon('fetcher', {
    origins: [origin.url],
    args: ['--down-limit', DOWN_LIMIT],
  });
  const watcher = await bed.watch(daemon.modelsDir, { 'origin.safetensors': fromOrigin, 'peer.gguf': fromPeer });

  const sent = async (): Promise<Sent> => ({
    origin: origin.totalSent(/safetensors$/),
    peer: await peer.metric('shoal_sent_bytes_total'),
  });
  const total = ({ origin: a, peer: b }: Sent): number => a + b;
  const kept = async (): Promise<Sent> => ({
    origin: await keptBytes(daemon, fromOrigin),
    peer: await keptBytes(daemon, fromPeer),
  });
  await daemon.want('origin.safetensors');
  await daemon.want('peer.gguf');

  let sentBefore: Sent = { origin: 0, peer: 0 };
  let keptBefore: Sent = { origin: 0, peer: 0 };
  const bothBytes = fromOrigin.sizeBytes + fromPeer.sizeBytes;
  for (const [at, share] of killPoints(KILLS, random).entries()) {
    await eventually(`kill ${at + 1} (seed ${seed})`, async () => total(await sent()) >= share * bothBytes, {
      timeoutMs: 60_000,
      everyMs: 10,
    });
    await delay(random() * 60);
    await daemon.kill();
    // What was on its way to the killed process is counted, too.
    await delay(100);
    const sentNow = await sent();
    const keptNow = await kept();
    for (const [source, { sizeBytes }] of [
      ['origin', fromOrigin],
      ['peer', fromPeer],
    ] as const) {
      const lost = sentNow[source] - sentBefore[source] - (keptNow[source] - keptBefore[source]);
      const where = `kill ${at + 1} at ${Math.round(share * 100)} %, the file of the ${source}, seed ${seed}`;
      assert.ok(keptNow[source] >= keptBefore[source], `${where}: pieces that were there are there`);
      assert.ok(lost <= 0.02 * sizeBytes, `${where}: ${lost} bytes are fetched again`);
    }
    sentBefore = sentNow;
    keptBefore = keptNow;
    await daemon.start();
  }
  await daemon.waitForModel('origin.safetensors', 'installed', 90_000);
  await daemon.waitForModel('peer.gguf', 'installed', 90_000);

  const end = await sent();
  const again = { origin: end.origin - fromOrigin.sizeBytes, peer: end.peer - fromPeer.sizeBytes };
  const percent = (bytes: number): string => ((100 * bytes) / KILLS / FILE_BYTES).toFixed(3);
  t.diagnostic(
    `fetched again for each kill: ${percent(again.origin)} % from the origin, ${percent(again.peer)} % from the peer`,
  );
  assert.ok(again.origin <= KILLS * 0.02 * FILE_BYTES, `${again.origin} bytes from the origin again, seed ${seed}`);
  assert.ok(again.peer <= KILLS * 0.02 * FILE_BYTES, `${again.peer} bytes from the peer again, seed ${seed}`);
  await watcher.stop();
  assert.deepEqual(watcher.violations, [], `seed ${seed}`);
  assert.deepEqual(await digestsIn(daemon.modelsDir), {
    'origin.safetensors': fromOrigin.sha256,
    'peer.gguf': fromPeer.sha256,
  });
});

test('a kill while a file is started, verified or installed leaves nothing wrong under its name', async (t) => {
  const { seed, random } = seeded(t);
  const bed = await TestBed.open({ context: t });
  const nas = await bed.makeDirectory('nas');
  const names = Array.from({ length: 6 }, (_, index) => `m${index}.safetensors`);
  const made = new Map<string, MadeFile>();
  for (const name of names) made.set(name, await makeLora(join(nas, name), { seed: name, sizeBytes: 12 * MIB }));
  await bed.publish(nas);
  const origin = await bed.origin(nas);
  const daemon = await bed.daemon('fetcher', { origins: [origin.url] });
  const watcher = await bed.watch(daemon.modelsDir, Object.fromEntries(made));
  for (const name of names) {
    await eventually(`${name} is offered`, async () => (await daemon.models('fleet')).some(({ id }) => id === name));
    await daemon.want(name);
    // All of it takes some hundred milliseconds: some kills hit the start, some the end, some come after it.
    await delay(random() * 500);
    await daemon.kill();
    await daemon.start();
  }
  for (const name of names) await daemon.waitForModel(name, 'installed', 60_000);
  await watcher.stop();
  assert.deepEqual(watcher.violations, [], `seed ${seed}`);
  const right = Object.fromEntries([...made].map(([name, { sha256 }]) => [name, sha256]));
  assert.deepEqual(await digestsIn(daemon.modelsDir), right, `seed ${seed}`);
  await eventually('no transfer is left over', async () => {
    const left = (await daemon.transfers()).filter(({ state }) => state !== 'done');
    assert.deepEqual(left, [], `seed ${seed}`);
    return true;
  });
});

interface Sent {
  readonly origin: number;
  readonly peer: number;
}

function seeded(t: TestContext): { seed: number; random: Random } {
  const seed = Number(process.env['SHOAL_TEST_SEED'] ?? randomInt(2 ** 31));
  t.diagnostic(`SHOAL_TEST_SEED=${seed}`);
  return { seed, random: seededRandom(seed) };
}

/** Ascending shares of the bytes, the last soon enough that there is something left to fetch. */
function killPoints(count: number, random: Random): number[] {
  return Array.from({ length: count }, () => 0.96 * random()).sort((a, b) => a - b);
}

/** By the have log: four bytes for each piece that is verified and on disk; all of it once it is installed. */
async function keptBytes({ modelsDir }: DaemonProcess, { file, sha256, sizeBytes }: MadeFile): Promise<number> {
  if (await exists(join(modelsDir, basename(file)))) return sizeBytes;
  const log = join(modelsDir, '.shoal/partial', `${sha256}.have`);
  return (await exists(log)) ? Math.min(sizeBytes, Math.floor((await stat(log)).size / 4) * PIECE_BYTES) : 0;
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}
