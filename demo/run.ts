// npm run demo: four daemons, a NAS and an orchestrator on loopback, all real; one node is killed, one copy is damaged,
// one disk lies. Ends with exit code 0 only if every file on every node has the right sha256.
import { existsSync, statSync } from 'node:fs';
import { open, rm, statfs, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatBytes } from '../src/util/bytes.ts';
import { BadDisk } from '../test/support/bad-disk.ts';
import type { DaemonProcess } from '../test/support/daemon-process.ts';
import { TestBed } from '../test/support/test-bed.ts';
import { delay } from '../test/support/wait.ts';
import { Dashboard } from './dashboard.ts';
import { FleetView } from './fleet-view.ts';
import { checkEveryFile, copies, table } from './report.ts';
import { type StockedModel, stockNas } from './stock.ts';

const NEEDED_BYTES = 3 * 2 ** 30;
/** What it promises; half a minute is usual. A machine that is busy with other things may take its time, and is told so. */
const GOAL_MS = 90_000;
const DEADLINE_MS = 180_000;
const KILL_AT_SHARE = 0.4;
const DOWN_MS = 2_000;

const startedMs = performance.now();
const screen = new Dashboard(process.stdout);
const bed = await TestBed.open();
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    interrupted.abort();
    screen.release();
    screen.say('\n  interrupted: tidying up');
    const exit = (): never => process.exit(signal === 'SIGINT' ? 130 : 143);
    bed[Symbol.asyncDispose]().then(exit, exit);
  });
}

try {
  process.exitCode = await perform();
} catch (error) {
  // What was going on fails when everything is taken away from under it.
  if (interrupted.signal.aborted) await new Promise(() => undefined);
  screen.release();
  console.error(error);
  showWarnings(bed.daemons);
  process.exitCode = 1;
} finally {
  await bed[Symbol.asyncDispose]();
}

async function perform(): Promise<number> {
  const { bavail, bsize } = await statfs(tmpdir());
  if (bavail * bsize < NEEDED_BYTES) {
    screen.say(
      `The demo needs ${formatBytes(NEEDED_BYTES)} in ${tmpdir()}, which has ${formatBytes(bavail * bsize)}. Set TMPDIR to a place with more room.`,
    );
    return 1;
  }
  screen.say('Making models with true headers and publishing them on the NAS …');
  const nasDirectory = await bed.makeDirectory('nas');
  const stock = await stockNas(nasDirectory);
  const oneCopyBytes = stock.reduce((sum, model) => sum + model.sizeBytes, 0);
  await bed.publish(nasDirectory);
  const nas = await bed.origin(nasDirectory);
  const consumer = await bed.consumer();
  screen.say(`  ${stock.length} models, ${formatBytes(oneCopyBytes)}, at ${nas.url}`);

  const gguf = find(stock, 'gguf');
  const checkpoint = find(stock, 'checkpoint');
  const badDisk = new BadDisk({ directory: bed.directory, matching: gguf.id });
  const common = { origins: [nas.url], orchestrators: [consumer.url] };
  const first = await bed.daemon('gpu-1', common);
  const others = await Promise.all([
    bed.daemon('gpu-2', { ...common, bootstrap: first.listen }),
    bed.daemon('gpu-3', { ...common, bootstrap: first.listen }),
    bed.daemon('gpu-4', { ...common, bootstrap: first.listen, env: badDisk.env }),
  ]);
  const daemons = [first, ...others];
  const [, damaged, killed, lying] = daemons as [DaemonProcess, DaemonProcess, DaemonProcess, DaemonProcess];
  const view = new FleetView({ stock }, { daemons, nas, consumer });

  // What an orchestrator is told is compared with the disk at that moment.
  const falseClaims: string[] = [];
  const delaysMs: number[] = [];
  const claimed = new Set<string>();
  const restartedMs = new Map<string, number>();
  consumer.onHeartbeat = ({ node, models, atMs }) => {
    const daemon = daemons.find((candidate) => candidate.name === node);
    for (const model of stock) {
      const key = `${node} ${model.id}`;
      if (daemon === undefined || !models.includes(model.id)) claimed.delete(key);
      else if (!claimed.has(key)) {
        claimed.add(key);
        const installedMs = installedAt(daemon, model);
        if (installedMs === undefined) falseClaims.push(`${node} claimed ${model.id} before it was there`);
        // What was installed in the moment of the kill could only be told after the restart.
        else if (installedMs > (restartedMs.get(node) ?? 0)) delaysMs.push(atMs - installedMs);
      }
    }
  };

  const follow = async (what: string, done: () => boolean): Promise<void> => {
    for (;;) {
      await view.refresh();
      screen.draw(view.frame());
      if (done()) return;
      if (performance.now() - startedMs > DEADLINE_MS) throw new Error(`${what}: not within ${DEADLINE_MS / 1000} s`);
      await delay(150);
    }
  };
  const allHaveAll = (): boolean => daemons.every((daemon) => stock.every((model) => view.has(daemon, model.id)));

  screen.say(`Four cold nodes want everything: ${formatBytes(4 * oneCopyBytes)} to move.`);
  const fetchStartedMs = performance.now();
  await Promise.all(daemons.flatMap((daemon) => stock.map((model) => daemon.want(model.id))));
  await follow('the first fetch gets going', () => {
    const share = (view.transfer(killed, checkpoint.id)?.bytesDone ?? 0) / checkpoint.sizeBytes;
    return share >= KILL_AT_SHARE || view.has(killed, checkpoint.id);
  });
  const bytesAtKill = view.transfer(killed, checkpoint.id)?.bytesDone ?? 0;
  view.keepMetrics(killed);
  await killed.kill();
  screen.say(
    `kill -9 ${killed.name} with ${formatBytes(bytesAtKill)} of the checkpoint; it comes back in ${DOWN_MS / 1000} s.`,
  );
  const backAtMs = performance.now() + DOWN_MS;
  await follow('the others go on', () => performance.now() >= backAtMs);
  restartedMs.set(killed.name, Date.now());
  await killed.start();
  screen.say(`${killed.name} is back and goes on where it was.`);
  let refetchedBytes = 0;
  await follow('every node has every model', () => {
    refetchedBytes = Math.max(refetchedBytes, view.transfer(killed, checkpoint.id)?.refetchedBytes ?? 0);
    return allHaveAll();
  });
  const fetchSeconds = (performance.now() - fetchStartedMs) / 1000;
  const nasBytes = nas.totalSent();
  const peerBytes = view.total('shoal_received_bytes_total', { source: 'peer' });
  screen.say(`Every node has every model after ${fetchSeconds.toFixed(1)} s.`);

  screen.say(
    `${lying.name}'s disk begins to lie, and someone overwrites a block of ${damaged.name}'s copy of the GGUF, with the old mtime put back.`,
  );
  badDisk.fail({ everyReads: 3 });
  const damagedAtMs = Date.now();
  await damage(join(damaged.modelsDir, gguf.id));
  await follow('the damaged copy is withdrawn', () => !view.has(damaged, gguf.id));
  const withdrawnMs =
    (consumer.of(damaged.name).find((beat) => beat.atMs >= damagedAtMs && !beat.models.includes(gguf.id))?.atMs ?? 0) -
    damagedAtMs;
  screen.say(
    `The orchestrator no longer counts on it ${withdrawnMs} ms later. The damaged file is deleted; ${damaged.name} still wants the model.`,
  );
  await rm(join(damaged.modelsDir, gguf.id), { force: true });
  const mendStartedMs = performance.now();
  await follow('the damaged copy is mended', () => existsSync(join(damaged.modelsDir, gguf.id)) && allHaveAll());
  const mendSeconds = (performance.now() - mendStartedMs) / 1000;
  badDisk.heal();

  screen.draw(view.frame());
  screen.release();
  const rejected = [...view.rejected()].map(([peerId, pieces]) => {
    const culprit = daemons.find((daemon) => daemon.peerId === peerId);
    return { name: culprit?.name ?? peerId, pieces };
  });
  const files = await checkEveryFile(daemons, stock);
  delaysMs.sort((a, b) => a - b);
  const tookMs = performance.now() - startedMs;
  const isLate = tookMs > GOAL_MS;
  screen.say('');
  screen.say(
    table([
      ['whole demo', `${(tookMs / 1000).toFixed(1)} s, ${isLate ? 'MORE' : 'less'} than its ${GOAL_MS / 1000} s`],
      [
        'four cold nodes stocked',
        `${fetchSeconds.toFixed(1)} s for 4 × ${formatBytes(oneCopyBytes)}, a kill -9 included`,
      ],
      ['the NAS sent for that', `${copies(nasBytes, oneCopyBytes)} instead of 4`],
      ['peers sent for that', copies(peerBytes, oneCopyBytes)],
      ['fetched again after kill -9', `${formatBytes(refetchedBytes)} of ${formatBytes(checkpoint.sizeBytes)}`],
      ['damaged copy', `withdrawn after ${withdrawnMs} ms, mended in ${mendSeconds.toFixed(1)} s`],
      [
        'pieces rejected',
        rejected.length === 0 ? 'none' : rejected.map(({ name, pieces }) => `${pieces} from ${name}`).join(', '),
      ],
      ['heartbeats', `${consumer.heartbeats.length}, ${falseClaims.length + consumer.violations.length} wrong`],
      [
        'installed → told',
        `median ${Math.round(delaysMs[delaysMs.length >> 1] ?? 0)} ms, worst ${Math.round(delaysMs.at(-1) ?? 0)} ms`,
      ],
      [
        'sha256 of every file',
        `${files.checked - files.faults.length} of ${files.checked} right (${formatBytes(files.bytes)} read)`,
      ],
    ]),
  );
  const failures = [
    ...files.faults.map(({ node, path, fault }) => `${node}: ${path}: ${fault}`),
    ...falseClaims,
    ...consumer.violations,
    ...(rejected.some(({ name }) => name === lying.name)
      ? []
      : [`no piece of ${lying.name} was rejected, although its disk lied`]),
    ...rejected.filter(({ name }) => name !== lying.name).map(({ name }) => `${name} was blamed without fault`),
  ];
  for (const failure of new Set(failures)) screen.say(`  ✗ ${failure}`);
  if (isLate)
    screen.say(
      `  ! It took longer than ${GOAL_MS / 1000} s: something else keeps this machine busy, or its disk is slow.`,
    );
  if (failures.length > 0) showWarnings(daemons);
  screen.say(failures.length === 0 ? '\n  Everything is where it should be.' : '');
  return failures.length === 0 ? 0 : 1;
}

function showWarnings(daemons: readonly DaemonProcess[]): void {
  for (const { name, log, earlierLogs } of daemons) {
    for (const line of [...earlierLogs, log].flatMap((run) =>
      run.all(({ level }) => !['debug', 'info'].includes(level)),
    )) {
      console.error(`  ${name}: ${JSON.stringify(line)}`);
    }
  }
}

function find(stock: readonly StockedModel[], column: StockedModel['column']): StockedModel {
  const model = stock.find((candidate) => candidate.column === column);
  if (model === undefined) throw new Error(`no ${column} in stock`);
  return model;
}

/** Wall clock of the last file's arrival under its final name; undefined when one is missing or not whole. */
function installedAt(daemon: DaemonProcess, model: StockedModel): number | undefined {
  let latest = 0;
  for (const [path, { sizeBytes }] of model.files) {
    const stats = statSync(join(daemon.modelsDir, path), { throwIfNoEntry: false });
    if (stats?.size !== sizeBytes) return undefined;
    latest = Math.max(latest, stats.ctimeMs);
  }
  return latest;
}

/** 64 other bytes in the middle, same size, same mtime. */
async function damage(file: string): Promise<void> {
  const { size, atime, mtime } = statSync(file);
  await using handle = await open(file, 'r+');
  await handle.write(new Uint8Array(64).fill(0xa5), 0, 64, size >> 1);
  await utimes(file, atime, mtime);
}
