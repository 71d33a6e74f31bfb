import type { CatalogGossip } from '../swarm/gossip.ts';
import type { Clock } from '../util/clock.ts';
import { childController } from '../util/deadline.ts';
import type { Log } from '../util/log.ts';
import type { OrchestratorLink } from './orchestrator-link.ts';

export interface WithdrawalParts {
  readonly orchestrators: readonly Pick<OrchestratorLink, 'told' | 'view'>[];
  readonly gossip: Pick<CatalogGossip, 'flushed'>;
  readonly clock: Clock;
  readonly log: Log;
}

/** A deletion that waits for longer is worth a line in the log. */
const PATIENCE_MS = 1_000;
const GOSSIP_MS = 500;
/** What is gossiped reaches its neighbours and theirs. */
const TRAVEL_MS = 100;

/**
 * Between the withdrawal from the catalog and the first deleted byte: resolves when the fleet has been told and each
 * orchestrator has accepted a heartbeat without the model. For one that has not, as long as it may take this node for
 * online by an older heartbeat: then it places nothing here, and hears the present when it is back.
 * @throws AbortError when `signal` fires: then somebody may still believe in the model
 */
export async function withdrawalTold(model: string, parts: WithdrawalParts, signal: AbortSignal): Promise<void> {
  const { orchestrators, gossip, clock, log } = parts;
  const { controller: over, release } = childController(signal);
  const late = clock.sleep(GOSSIP_MS, over.signal).catch(() => undefined);
  const announced = Promise.race([gossip.flushed(), late]).then(() => clock.sleep(TRAVEL_MS, over.signal));
  const told = orchestrators.map((link) => orchestratorTold(model, link, { clock, log }, over.signal));
  try {
    await Promise.all([announced, ...told]);
  } finally {
    release();
    over.abort();
  }
}

async function orchestratorTold(
  model: string,
  link: WithdrawalParts['orchestrators'][number],
  { clock, log }: Pick<WithdrawalParts, 'clock' | 'log'>,
  signal: AbortSignal,
): Promise<void> {
  const { url } = link.view();
  const { controller: over, release } = childController(signal);
  const patience = clock.sleep(PATIENCE_MS, over.signal).then(
    () => log.warn({ model, orchestrator: url }, 'deletion waits for an orchestrator to accept the withdrawal'),
    () => undefined,
  );
  try {
    if (await link.told(signal)) return;
  } finally {
    release();
    over.abort();
    await patience;
  }
  log.warn(
    { model, orchestrator: url, problem: link.view().problem?.message },
    'model is deleted without the word of an orchestrator: it takes this node for offline by now',
  );
}
