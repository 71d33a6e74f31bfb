import type { Model, Transfer } from '../api/schemas.ts';
import { systemClock } from '../util/clock.ts';
import { childController } from '../util/deadline.ts';
import { codeOf, type ShoalError } from '../util/errors.ts';
import { Wake } from '../util/wake.ts';
import { type ApiClient, modelPath } from './api-client.ts';
import type { AwaitedModel } from './awaited-model.ts';
import { describeError } from './output.ts';
import type { Progress, ProgressState } from './progress.ts';

/** Events tell at once; the poll finds what an event that was missed would have told. */
const POLL_MS = 1_000;
const RECONNECT_MS = 500;
/** A daemon that restarts is back long before. */
const AWAY_MAX_MS = 60_000;

export interface Followed {
  readonly installed: AwaitedModel[];
  readonly failed: { readonly model: AwaitedModel; readonly error: ShoalError }[];
}

/**
 * Waits until each model is installed or has failed for good; outlives restarts of the daemon.
 * @throws ShoalError `unreachable` when the daemon stays away, and the signal's reason
 */
export async function followModels(
  models: readonly AwaitedModel[],
  parts: { api: ApiClient; progress: Progress },
  followed: Followed,
  signal: AbortSignal,
): Promise<void> {
  const open = new Map(models.map((model) => [model.id, model]));
  const wake = new Wake();
  const { controller, release } = childController(signal);
  const listening = listen(open, { ...parts, wake }, controller.signal);
  let awaySinceMs: number | undefined;
  try {
    while (open.size > 0) {
      try {
        await refresh(open, parts.api, signal);
        if (awaySinceMs !== undefined) parts.progress.note('The daemon is back.');
        awaySinceMs = undefined;
      } catch (error) {
        if (codeOf(error) !== 'unreachable') throw error;
        if (awaySinceMs === undefined) parts.progress.note('The daemon does not answer; waiting for it to come back.');
        awaySinceMs ??= performance.now();
        if (performance.now() - awaySinceMs > AWAY_MAX_MS) throw error;
      }
      if (awaySinceMs === undefined) settle(open, parts.progress, followed);
      if (open.size > 0) await wake.wait(awaySinceMs === undefined ? POLL_MS : RECONNECT_MS, signal);
    }
  } finally {
    controller.abort();
    release();
    await listening;
  }
}

/** Takes out what needs no more waiting. */
function settle(open: Map<string, AwaitedModel>, progress: Progress, followed: Followed): void {
  for (const [id, model] of open) {
    const now = performance.now();
    const verdict = model.judge(now);
    switch (verdict.kind) {
      case 'waiting':
        break;
      case 'installed':
        open.delete(id);
        followed.installed.push(model);
        progress.note(model.summary(now));
        break;
      case 'failed':
        open.delete(id);
        followed.failed.push({ model, error: verdict.error });
        progress.note(`shoal: ${id}: ${describeError(verdict.error)}`);
        break;
    }
  }
  if (open.size > 0) progress.update(progressOf([...open.values()]));
}

async function refresh(open: ReadonlyMap<string, AwaitedModel>, api: ApiClient, signal: AbortSignal): Promise<void> {
  for (const model of open.values()) {
    try {
      model.modelSeen(await api.get<Model>(modelPath(model.id), signal));
    } catch (error) {
      if (codeOf(error) !== 'not-found') throw error;
      model.modelUnknown(performance.now());
    }
  }
  // After the models: the transfer of one that is installed then shows its end.
  const { transfers } = await api.get<{ transfers: Transfer[] }>('/v1/transfers', signal);
  for (const transfer of transfers) open.get(transfer.model)?.transferSeen(transfer);
}

/** Keeps an event stream open until it is aborted; every failure is outlived, the poll reports it. */
async function listen(
  open: ReadonlyMap<string, AwaitedModel>,
  { api, progress, wake }: { api: ApiClient; progress: Progress; wake: Wake },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      for await (const { event, data } of api.events(signal)) {
        if (event === 'model' && open.has((data as { id: string }).id)) wake.notify();
        if (event !== 'transfer') continue;
        const transfer = data as Transfer;
        const model = open.get(transfer.model);
        if (model === undefined) continue;
        model.transferSeen(transfer);
        progress.update(progressOf([...open.values()]));
        if (transfer.state === 'done' || transfer.state === 'failed') wake.notify();
      }
    } catch {
      // Outlived: the poll reports what is wrong.
    }
    // The stream ended: what happened meanwhile is asked for.
    wake.notify();
    await systemClock.sleep(RECONNECT_MS, signal).catch(() => undefined);
  }
}

/** The most worrying first. */
const STATES = ['failed', 'stalled', 'fetching', 'verifying', 'installing', 'starting', 'queued', 'done'] as const;

export function progressOf(models: readonly AwaitedModel[]): ProgressState {
  const transfers = models.flatMap(({ transfer }) => (transfer === undefined ? [] : [transfer]));
  const bytesTotal = models.reduce((sum, model) => sum + model.bytesTotal, 0);
  const bytesDone = models.reduce((sum, model) => sum + model.bytesDone, 0);
  const bytesPerSecond = transfers.reduce((sum, transfer) => sum + transfer.bytesPerSecond, 0);
  const known = transfers.flatMap(({ etaMs }) => (etaMs === undefined ? [] : [etaMs]));
  const eta =
    bytesPerSecond > 0
      ? ((bytesTotal - bytesDone) / bytesPerSecond) * 1000
      : known.length > 0
        ? Math.max(...known)
        : undefined;
  const active = new Set(
    transfers.flatMap(({ sources }) => sources.filter(({ state }) => state === 'active').map(({ id }) => id)),
  );
  return {
    label: models.length === 1 ? (models[0]?.id ?? '') : `${models.length} models`,
    bytesTotal,
    bytesDone,
    bytesPerSecond,
    ...(eta === undefined ? {} : { etaMs: eta }),
    state: STATES.find((state) => transfers.some((transfer) => transfer.state === state)) ?? 'queued',
    sources: active.size,
  };
}
