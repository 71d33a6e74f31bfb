import type { CatalogGossip } from '../swarm/gossip.ts';
import type { Clock } from '../util/clock.ts';
import type { Log } from '../util/log.ts';
import type { OrchestratorLink } from './orchestrator-link.ts';

export interface WithdrawalParts {
  readonly orchestrators: readonly Pick<OrchestratorLink, 'told' | 'view'>[];
  readonly gossip: Pick<CatalogGossip, 'flushed'>;
  readonly clock: Clock;
  readonly log: Log;
}

/** How long a deletion waits for each orchestrator to take note. */
const ORCHESTRATOR_MS = 1_000;
const GOSSIP_MS = 500;
/** What is gossiped reaches its neighbours and theirs. */
const TRAVEL_MS = 100;

/**
 * Between the withdrawal from the catalog and the first deleted byte: resolves when every orchestrator has accepted a
 * heartbeat without the model and the fleet has been told. One that does not answer holds nothing up for longer than a
 * second: it has been sent the news, or is away, and then it hears the present when it is back.
 */
export async function withdrawalTold(model: string, parts: WithdrawalParts): Promise<void> {
  const { orchestrators, gossip, clock, log } = parts;
  const over = new AbortController();
  const late = clock.sleep(GOSSIP_MS, over.signal).catch(() => undefined);
  const announced = Promise.race([gossip.flushed(), late]).then(() => clock.sleep(TRAVEL_MS, over.signal));
  const told = orchestrators.map(async (link) => {
    if (await link.told(ORCHESTRATOR_MS)) return;
    const { url, problem } = link.view();
    log.warn(
      { model, orchestrator: url, ms: ORCHESTRATOR_MS, problem: problem?.message },
      'model is deleted although an orchestrator has not confirmed that it is withdrawn',
    );
  });
  try {
    await Promise.all([announced, ...told]);
  } finally {
    over.abort();
  }
}
