import assert from 'node:assert/strict';
import type { TransferView } from '../../src/flows/views.ts';
import type { DaemonProcess } from '../support/daemon-process.ts';
import type { LogLine } from '../support/log-lines.ts';
import { eventually } from '../support/wait.ts';

/** The promise of the README, and of DESIGN: a source that sends nothing is left within this time. */
export const LEFT_WITHIN_MS = 3_000;
/** Beside it on the test's own clock: what still was on the line when it was stopped, and a machine that is busy. */
const TOLERANCE_MS = 1_500;

export async function transferOf(daemon: DaemonProcess, model: string): Promise<TransferView | undefined> {
  return (await daemon.transfers()).find((transfer) => transfer.model === model);
}

/** Waits until that much of the model has been fetched, with the transfer still on its way. */
export async function fetched(daemon: DaemonProcess, model: string, bytes: number): Promise<TransferView> {
  return await eventually(
    `${daemon.name} has fetched ${bytes} bytes of ${model}`,
    async () => {
      const transfer = await transferOf(daemon, model);
      return transfer !== undefined && transfer.bytesDone >= bytes ? transfer : undefined;
    },
    { timeoutMs: 60_000, everyMs: 20 },
  );
}

/** The line that tells when a source was left, which the daemon writes at level debug; later than `fromMs`. */
export async function leftSource(daemon: DaemonProcess, id: string, fromMs: number): Promise<LogLine> {
  const isIt = (line: LogLine): boolean =>
    line.msg.startsWith('source left') && String(line['source']).endsWith(id) && line.arrivedMs >= fromMs;
  const line = await daemon.log.waitFor(isIt, 20_000);
  assert.ok(line !== undefined, `${daemon.name} has ended`);
  return line;
}

/** Both as the daemon has measured the source's silence itself and on this clock, from `stoppedMs` until its line arrived. */
export function assertLeftInTime(line: LogLine, stoppedMs: number): void {
  const tookMs = Math.round(line.arrivedMs - stoppedMs);
  assert.ok(tookMs <= LEFT_WITHIN_MS + TOLERANCE_MS, `left ${tookMs} ms after the line was stopped`);
  const [, quietMs = 'nothing'] = /no bytes for (\d+) ms/.exec(String(line['detail'])) ?? [];
  assert.ok(Number(quietMs) <= LEFT_WITHIN_MS, `left because of: ${String(line['detail'])}`);
}

/** The transfer says that it stands still: in the API, in the log and in the metrics. */
export async function assertSaysStalled(daemon: DaemonProcess, model: string): Promise<void> {
  const transfer = await eventually(
    `the transfer of ${model} says that it is stalled`,
    async () => {
      const now = await transferOf(daemon, model);
      return now?.state === 'stalled' ? now : undefined;
    },
    { timeoutMs: 20_000 },
  );
  assert.equal(transfer.problem?.code, 'source-stalled');
  assert.ok(transfer.problem.remedy !== undefined && transfer.problem.remedy !== '');
  assert.equal(transfer.etaMs, undefined);
  assert.equal(await daemon.metric('shoal_stalled_downloads'), 1);
  const line = daemon.log.find((one) => one.msg.startsWith('download stalled'));
  assert.equal(line?.level, 'warn');
}
