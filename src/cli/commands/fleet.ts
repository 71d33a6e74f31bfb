import { setTimeout as delay } from 'node:timers/promises';
import type { Model, Node, Transfer } from '../../api/schemas.ts';
import { ShoalError } from '../../util/errors.ts';
import type { ClientCommand, CommandParts } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { type Availability, type FleetFacts, matrixLines, singleNodeLines, singleNodeModels } from '../fleet-matrix.ts';

const REFRESH_MS = 2_000;

/** Nodes × models, from what one node knows by gossip. */
export const fleet: ClientCommand<{ watch?: boolean }> = async (parts, _words, { watch = false }) => {
  const { out, json, signal } = parts;
  if (watch && json) {
    throw new ShoalError('invalid', '--watch and --json do not go together', {
      remedy: 'With --json one document is printed: run it again for the next.',
    });
  }
  for (;;) {
    const facts = await ask(parts);
    if (json) out.json(documentOf(facts));
    else show(parts, facts, watch);
    if (!watch) return EXIT.done;
    await delay(REFRESH_MS, undefined, { signal });
  }
};

async function ask({ api, signal }: CommandParts): Promise<FleetFacts> {
  const [availability, { models }, { transfers }, { name }] = await Promise.all([
    api.get<Availability>('/v2/catalog/availability', signal),
    api.get<{ models: Model[] }>('/v1/models?scope=fleet', signal),
    api.get<{ transfers: Transfer[] }>('/v1/transfers', signal),
    api.get<Node>('/v1/node', signal),
  ]);
  models.sort((a, b) => (a.id < b.id ? -1 : 1));
  return { availability, models, transfers, self: name };
}

function show({ out }: CommandParts, facts: FleetFacts, watch: boolean): void {
  if (watch && out.isTerminal) out.clear();
  const { availability, models } = facts;
  const nodes = Object.values(availability.nodes);
  const online = nodes.filter((node) => node.online).length;
  out.line(`${models.length} models, ${online} of ${nodes.length} nodes online`);
  if (models.length > 0) for (const line of matrixLines(facts, out.width())) out.line(line);
  for (const line of singleNodeLines(facts)) out.line(line);
}

function documentOf({ availability, models }: FleetFacts): object {
  const replicated = new Set(availability.replicated_models);
  return {
    nodes: Object.values(availability.nodes).map(({ node_id: id, address, online }) => ({ id, address, online })),
    models,
    replicatedModels: models.filter(({ id }) => replicated.has(id)).map(({ id }) => id),
    singleNodeModels: singleNodeModels(availability, models).map(({ id }) => id),
  };
}
