import type { Swarm } from '../swarm/swarm.ts';
import type { BlameLedger } from '../transfer/blame.ts';
import type { Clock } from '../util/clock.ts';
import type { EventBus } from './event-bus.ts';
import type { FetchWantedModels } from './fetch-wanted-models.ts';
import type { OriginLists } from './origin-lists.ts';

const TRANSFER_PERIOD_MS = 500;

/** Progress of what is under way, for those who watch. */
export async function tellTransfers(
  parts: { wanted: FetchWantedModels; events: EventBus; clock: Clock },
  signal: AbortSignal,
): Promise<void> {
  const { wanted, events, clock } = parts;
  wanted.on('transfer', (transfer) => {
    events.publish({ event: 'transfer', data: transfer });
  });
  while (!signal.aborted) {
    if (events.isWatched) {
      for (const transfer of wanted.active()) events.publish({ event: 'transfer', data: transfer });
    }
    await clock.sleep(TRANSFER_PERIOD_MS, signal);
  }
}

/** Who comes and goes, and who is blamed. */
export function tellPeers(parts: {
  swarm: Swarm;
  blame: BlameLedger;
  origins: OriginLists;
  events: EventBus;
  nameOf: (peerId: string) => string | undefined;
}): void {
  const { swarm, blame, origins, events, nameOf } = parts;
  swarm.fleet.on('change', ({ kind, peerId, name }) => {
    if (kind !== 'changed') events.publish({ event: 'peer', data: { peerId, name, change: kind } });
  });
  blame.on('blamed', ({ id }) => {
    if (id.kind !== 'peer') return;
    events.publish({ event: 'peer', data: { peerId: id.id, name: nameOf(id.id) ?? id.id, change: 'blamed' } });
  });
  origins.on('change', (origin) => events.publish({ event: 'origin', data: origin }));
}
